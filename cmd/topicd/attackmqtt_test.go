package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/node/dialect/mqtt/packet"
)

// What a hostile peer may try by MQTT, on its own port.
var mqttAttacks = []attack{
	{"MQTT: packets that are none", (*siege).mqttNonsense},
	{"MQTT: 256 MB claimed a byte at a time", (*siege).mqttClaims},
	{"MQTT: most of a packet on many connections", (*siege).mqttParked},
	{"MQTT: no CONNECT", (*siege).mqttSilent},
	{"MQTT: a hundred thousand subscriptions", (*siege).mqttSubscriptions},
	{"MQTT: clients that are to be kept", (*siege).mqttAway},
	{"MQTT: identifiers of QoS 2", (*siege).mqttIdentifiers},
	{"MQTT: readers of QoS 2 that stop", (*siege).mqttStopped},
	{"MQTT: slow CONNECT", (*siege).mqttSlow},
	{"MQTT: messages that are to be retained", (*siege).mqttRetained},
	{"MQTT: a message that is kept", (*siege).mqttKept},
	{"MQTT: wills", (*siege).mqttWills},
	{"MQTT: one identifier for all", (*siege).mqttTakeOver},
	{"MQTT: shares that come and go", (*siege).mqttShares},
	{"MQTT: answers that nobody reads", (*siege).mqttUnread},
	{"MQTT: many filters for one message", (*siege).mqttFilters},
	{"MQTT: sixteen aliases", (*siege).mqttAliases},
	{"MQTT: noise", (*siege).mqttNoise},
}

// TestAttackMQTT: on a hub of its own, whose arena they fill.
func TestAttackMQTT(t *testing.T) {
	processes(t)
	mqtt := freePort(t)
	s := newSiege(t, nil, "--mqtt-listen", mqtt)
	s.h.mqtt = mqtt
	s.besiege(t, mqttAttacks)
}

// TestAttackMQTTOverTLS and TestAttackMQTTOverWebSocket: other readers, other
// framing and other doors stand before the same packets.
func TestAttackMQTTOverTLS(t *testing.T) {
	processes(t)
	mqtt := freePort(t)
	s := newSiege(t, nil, "--tls=auto", "--mqtt-tls-listen", mqtt)
	s.h.mqtt = mqtt
	s.besiege(t, s.someOf(mqttAttacks, "MQTT: most of a packet on many connections", "MQTT: readers of QoS 2 that stop", "MQTT: slow CONNECT"))
}

func TestAttackMQTTOverWebSocket(t *testing.T) {
	processes(t)
	s := newSiege(t, nil)
	s.besiege(t, s.someOf(mqttAttacks, "MQTT: packets that are none", "MQTT: most of a packet on many connections", "MQTT: a message that is kept"))
}

// someOf are all attacks in the full form, these in the short one.
func (s *siege) someOf(all []attack, names ...string) (some []attack) {
	for _, a := range all {
		if s.full || slices.Contains(names, a.name) {
			some = append(some, a)
		}
	}
	return some
}

// mqtt is a connection to the port of MQTT, by WebSocket where it has none, and in
// when v is not 0.
func (s *siege) mqtt(ip, id string, v packet.Version, o ...func(*packet.Connect)) net.Conn {
	s.Helper()
	at := s.h.mqtt
	if at == "" {
		at = s.h.addr
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: 30 * time.Second}
	c, err := d.Dial("tcp", at)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	switch {
	case s.h.mqtt == "":
		d := websocket.Dialer{Subprotocols: []string{"mqtt"}, NetDial: func(string, string) (net.Conn, error) { return c, nil }}
		ws, _, err := d.Dial("ws://"+at+"/mqtt", nil)
		if err != nil {
			s.Fatal(err)
		}
		c = &wsStream{Conn: c, ws: ws}
	case s.tls:
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	if v == 0 {
		return c
	}
	q := packet.Connect{Version: v, CleanStart: true, KeepAlive: 60, ClientID: []byte(id)}
	for _, f := range o {
		f(&q)
	}
	_, _ = c.Write(q.Append(nil))
	if pkt := s.packet(c); pkt == nil || packet.TypeOf(pkt) != packet.CONNACK || pkt[3] != 0 {
		s.Fatalf("not let in: %x", pkt)
	}
	return c
}

// wsStream are the bytes of binary messages.
type wsStream struct {
	net.Conn
	ws *websocket.Conn
	r  io.Reader
}

func (w *wsStream) Write(b []byte) (int, error) {
	return len(b), w.ws.WriteMessage(websocket.BinaryMessage, b)
}

func (w *wsStream) Read(b []byte) (int, error) {
	for {
		if w.r == nil {
			_, r, err := w.ws.NextReader()
			if err != nil {
				return 0, err
			}
			w.r = r
		}
		n, err := w.r.Read(b)
		if err != io.EOF {
			return n, err
		}
		if w.r = nil; n > 0 {
			return n, nil
		}
	}
}

// narrow has the connection take little that is not read.
func narrow(c net.Conn) {
	switch x := c.(type) {
	case *net.TCPConn:
		_ = x.SetReadBuffer(4096)
	case *tls.Conn:
		narrow(x.NetConn())
	case *wsStream:
		narrow(x.Conn)
	}
}

// packet is the next packet, nil at the end.
func (s *siege) packet(c net.Conn) []byte {
	var b []byte
	for one := make([]byte, 1); ; {
		if _, err := c.Read(one); err != nil {
			return nil
		}
		b = append(b, one...)
		if pkt, _, err := packet.Split(b, 4<<20); pkt != nil || err != nil {
			return pkt
		}
	}
}

// ends waits until the hub has closed the connection.
func (s *siege) ends(what string, c net.Conn) {
	s.Helper()
	if _, err := io.Copy(io.Discard, c); isTimeout(err) {
		s.Error(what, "is not ended")
	}
	_ = c.Close()
}

func (s *siege) mqttNonsense() {
	connected := func(b string) {
		for _, v := range []packet.Version{packet.V4, packet.V5} {
			c := s.mqtt("127.0.0.60", "nonsense", v)
			_, _ = c.Write([]byte(b))
			s.ends(fmt.Sprintf("%x", b), c)
		}
	}
	for _, b := range []string{"\xc0\x00", "\x00\x00", "\x10\xff\xff\xff\xff\x01", "GET / HTTP/1.1\r\n\r\n", "\x10\x00", "\x10\x0c\x00\x04MQTT\x04\xff\x00\x00\x00\x00", "\x16\x03\x01\x02\x00"} {
		c := s.mqtt("127.0.0.60", "", 0)
		_, _ = c.Write([]byte(b))
		s.ends(fmt.Sprintf("%x", b), c)
	}
	for _, b := range []string{"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00", "\x20\x02\x00\x00", "\x36\x05\x00\x01a\x00\x01", "\x30\x03\x00\x01\xff", "\x32\x05\x00\x01a\x00\x00",
		"\x82\x02\x00\x01", "\xc1\x00", "\xf0\x00", "\x30\x03\x00\x01#", "\x90\x03\x00\x01\x00", "\x62\x01\x00", "\x30\xff\xff\xff\x7f"} {
		connected(b)
	}
}

func (s *siege) mqttClaims() {
	for i := range 100 {
		c := s.mqtt(fmt.Sprintf("127.0.5.%d", i/50+1), "", 0)
		go func() {
			for _, b := range []byte{0x10, 0xff, 0xff, 0xff, 0x7f} {
				_, _ = c.Write([]byte{b})
				time.Sleep(s.lasts() / 100)
			}
			for range 100 {
				if _, err := c.Write([]byte{'x'}); err != nil {
					return
				}
				time.Sleep(s.lasts() / 100)
			}
		}()
	}
	c := s.mqtt("127.0.0.61", "", 0)
	_, _ = c.Write([]byte{0x30, 0xff, 0xff, 0xff, 0x7f})
	s.ends("a packet of 256 MB", c)
	time.Sleep(s.lasts())
}

func (s *siege) mqttParked() {
	for i := range 60 {
		c := s.mqtt(fmt.Sprintf("127.0.6.%d", i/30+1), fmt.Sprint("parked", i), packet.V4)
		q := packet.Publish{Topic: []byte("t"), Payload: make([]byte, 1_000_000)}
		b := q.Append(nil, packet.V4)
		go func() { _, _ = c.Write(b[:len(b)-1]) }()
	}
	time.Sleep(s.lasts() / 2)
}

func (s *siege) mqttSilent() {
	var conns []net.Conn
	for i := range 50 {
		c := s.mqtt("127.0.0.62", "", 0)
		if i%2 == 0 {
			_, _ = c.Write([]byte{0x10})
		}
		conns = append(conns, c)
	}
	if s.full {
		for _, c := range conns {
			s.ends("silence", c)
		}
	}
}

func (s *siege) mqttSubscriptions() {
	c := s.mqtt("127.0.0.63", "many", packet.V5)
	taken, asked := 0, 0
	defer func() {
		s.Logf("%d of %d are taken", taken, asked)
		if taken > 256 || asked == 0 {
			s.Errorf("%d of %d are taken", taken, asked)
		}
	}()
	for i := range 100 {
		q := packet.Subscribe{ID: 1}
		for k := range 1000 {
			q.Filters = q.Filters.Append(packet.Filter{Filter: fmt.Appendf(nil, "many/%d/+/%d", i, k), QoS: 1})
		}
		if _, err := c.Write(q.Append(nil, packet.V5)); err != nil {
			return // cut: as good
		}
		var a packet.SubAck
		for {
			pkt := s.packet(c)
			if pkt == nil {
				return
			}
			if packet.TypeOf(pkt) == packet.SUBACK {
				_ = a.Decode(pkt, packet.V5)
				break
			}
		}
		if i == 0 { // it is left unread until it has paid for them
			_ = c.SetDeadline(time.Now().Add(2 * s.lasts()))
		}
		for _, code := range a.Codes {
			if asked++; !packet.Reason(code).Failed() {
				taken++
			}
		}
	}
}

func (s *siege) mqttAway() {
	for i := range 400 {
		c := s.mqtt(fmt.Sprintf("127.0.7.%d", i/40+1), fmt.Sprint("away", i), packet.V4, func(q *packet.Connect) { q.CleanStart = false })
		q := packet.Subscribe{ID: 1, Filters: packet.Filters(nil).Append(packet.Filter{Filter: []byte("#"), QoS: 2})}
		_, _ = c.Write(q.Append(nil, packet.V4))
		s.packet(c)
		_ = c.Close()
	}
	s.newcomer("127.0.0.64")
}

func (s *siege) mqttIdentifiers() {
	c := s.mqtt("127.0.0.65", "ids", packet.V4)
	go func() {
		var b []byte
		for id := uint16(1); id < 65535; id++ {
			b = (&packet.Publish{Topic: []byte("ids"), Payload: []byte("x"), QoS: 2, ID: id}).Append(b[:0], packet.V4)
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}()
	s.ends("65,534 identifiers", c)
}

func (s *siege) mqttStopped() {
	for i := range 30 {
		c := s.mqtt(fmt.Sprintf("127.0.8.%d", i/15+1), fmt.Sprint("stopped", i), packet.V5)
		narrow(c)
		q := packet.Subscribe{ID: 1, Filters: packet.Filters(nil).Append(packet.Filter{Filter: []byte("load/#"), QoS: 2})}
		_, _ = c.Write(q.Append(nil, packet.V5))
	}
	p := s.mqtt("127.0.0.66", "loader", packet.V5)
	body := []byte(strings.Repeat("x", 2000))
	n := 0
	for end := time.Now().Add(2*s.lasts() + time.Second); time.Now().Before(end); n++ {
		q := packet.Publish{Topic: fmt.Appendf(nil, "load/%d", n%50), Payload: body, QoS: 1, ID: 1}
		_, _ = p.Write(q.Append(nil, packet.V5))
		if pkt := s.packet(p); pkt == nil || packet.TypeOf(pkt) != packet.PUBACK {
			s.Fatalf("%x", pkt)
		}
	}
	s.Logf("%d readings of 2 KB beside 30 stopped readers of QoS 2", n)
}

func (s *siege) mqttNoise() {
	seed := uint64(time.Now().UnixNano())
	s.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	pieces := []string{"\x10", "\x30", "\x32", "\x34", "\x62\x02\x00\x01", "\x82", "\xa2", "\xc0\x00", "\xe0\x00", "\x00\x04MQTT", "\x00\x01a", "\x00\x03a/#", "\x00", "\x01", "\x02", "\x05", "\x7f", "\x80", "\xff",
		"\x23\x00\x01", "\x26\x00\x01k\x00\x01v", "\x0b\x01", "$share/g/a", "\x30\x05\x00\x01a\x00x", "\x82\x07\x00\x01\x00\x00\x01a\x01"}
	for i, end := 0, time.Now().Add(s.lasts()); time.Now().Before(end); i++ {
		c := s.mqtt(fmt.Sprintf("127.0.10.%d", i%250+1), "noise", []packet.Version{0, packet.V4, packet.V5}[r.IntN(3)])
		for range r.IntN(40) {
			if _, err := c.Write([]byte(pieces[r.IntN(len(pieces))])); err != nil {
				break
			}
		}
		_ = c.Close()
	}
}
