package mqtt

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"topicd/node/dialect/mqtt/packet"
)

// broker is somebody to run the cases against.
type broker struct {
	name string
	dial func() (net.Conn, error)
}

// aside is a broker for a case alone whose clock can be set: its seconds are longer, and
// pass by hand. What there is little time for in the standard's seconds a busy machine may
// not do in time.
type aside struct {
	*broker
	ahead atomic.Int64 // milliseconds
}

const longSecond = 10

func overTCP(addr string) *broker {
	return &broker{"topicd", func() (net.Conn, error) { return net.Dial("tcp", addr) }}
}

// seconds are those of the case's broker.
func (x *run) seconds(n int) int {
	if x.aside != nil {
		n *= longSecond
	}
	return n
}

// pass lets so much of the broker's time pass.
func (x *run) pass(d time.Duration) {
	if x.aside == nil {
		time.Sleep(d)
		return
	}
	x.aside.ahead.Add((longSecond * d).Milliseconds())
}

// run is one case on one broker: names of its own, and its peers.
type run struct {
	*testing.T
	b  *broker
	v  packet.Version
	ns string // before every topic and client id, so that cases do not meet

	aside *aside // nil: the broker is everybody's
}

// peer is a client that says what the case wants, right or wrong.
type peer struct {
	x    *run
	v    packet.Version
	conn net.Conn
	got  []byte
	ack  packet.Connack
	id   uint16 // of the last PUBLISH that came
}

const patience = 60 * time.Second

func (x *run) dial() *peer {
	x.Helper()
	c, err := x.b.dial()
	if err != nil {
		x.Fatal(err)
	}
	x.Cleanup(func() { _ = c.Close() })
	return &peer{x: x, v: x.v, conn: c}
}

// n is a name of this case.
func (x *run) n(name string) []byte { return []byte(x.ns + name) }

type options func(*packet.Connect)

func keepState(c *packet.Connect) { c.CleanStart = false }
func keepAlive(s uint16) options  { return func(c *packet.Connect) { c.KeepAlive = s } }
func expiry(s uint32) options {
	return func(c *packet.Connect) { c.Props = c.Props.AppendNum(packet.SessionExpiry, s) }
}
func num(id packet.Prop, n uint32) options {
	return func(c *packet.Connect) { c.Props = c.Props.AppendNum(id, n) }
}
func lastWill(w packet.Will) options {
	return func(c *packet.Connect) { c.HasWill, c.Will = true, w }
}
func noID(c *packet.Connect) { c.ClientID = nil }

// connect is a peer that was let in.
func (x *run) connect(id string, o ...options) *peer {
	x.Helper()
	p := x.dial()
	if code := p.hello(id, o...); code != 0 {
		x.Fatalf("CONNACK %d", code)
	}
	return p
}

// persistent connects with a session that outlives the connection.
func (x *run) persistent(id string, o ...options) *peer {
	x.Helper()
	if x.v == packet.V5 {
		o = append(o, expiry(100))
	}
	return x.connect(id, append(o, keepState)...)
}

// hello sends CONNECT and returns CONNACK's code.
func (p *peer) hello(id string, o ...options) byte {
	p.x.Helper()
	c := packet.Connect{Version: p.v, CleanStart: true, KeepAlive: 60, ClientID: p.x.n(id)}
	for _, f := range o {
		f(&c)
	}
	p.write(c.Append(nil))
	b := p.read()
	if b == nil {
		p.x.Fatal("closed without a CONNACK")
	}
	if err := p.ack.Decode(b, p.v); err != nil {
		p.x.Fatalf("%x: %v", b, err)
	}
	return p.ack.Code
}

func (p *peer) write(b []byte) {
	if _, err := p.conn.Write(b); err != nil {
		p.x.Log("write:", err) // what follows tells
	}
}

// raw sends bytes in hexadecimal.
func (p *peer) raw(s string) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		p.x.Fatal(err)
	}
	p.write(b)
}

// read is the next packet, nil at the end of the connection.
func (p *peer) read() []byte {
	p.x.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		pkt, rest, err := packet.Split(p.got, 4<<20)
		if err != nil {
			p.x.Fatalf("a packet that is none: %x: %v", p.got[:min(len(p.got), 32)], err)
		}
		if pkt != nil {
			p.got = rest
			return pkt
		}
		var b [4096]byte
		n, rerr := p.conn.Read(b[:])
		p.got = append(p.got, b[:n]...)
		if n == 0 && rerr != nil {
			if errors.Is(rerr, os.ErrDeadlineExceeded) {
				p.x.Fatal("nothing comes")
			}
			if len(p.got) > 0 && rerr == io.EOF {
				p.x.Fatalf("the connection ends in a packet: %x", p.got)
			}
			return nil
		}
	}
}

// want reads the next packet and compares it with its description. The
// identifiers that a broker chooses are kept for the answer, not compared.
func (p *peer) want(s string) {
	p.x.Helper()
	b := p.read()
	if b == nil {
		p.x.Fatalf("closed; want %s", s)
	}
	if got := p.describe(b); got != s {
		p.x.Fatalf("\ngot  %s\nwant %s", got, s)
	}
}

// wantSet reads as many packets, in any order.
func (p *peer) wantSet(s ...string) {
	p.x.Helper()
	var got []string
	for range s {
		b := p.read()
		if b == nil {
			p.x.Fatalf("closed; got %q, want %q", got, s)
		}
		got = append(got, p.describe(b))
	}
	slices.Sort(got)
	slices.Sort(s)
	if !slices.Equal(got, s) {
		p.x.Fatalf("\ngot  %q\nwant %q", got, s)
	}
}

// describe is a packet in a few words. Properties stand as id=value.
func (p *peer) describe(b []byte) string {
	p.x.Helper()
	var err *packet.Error
	var s string
	switch t := packet.TypeOf(b); t {
	case packet.PUBLISH:
		var q packet.Publish
		err = q.Decode(b, p.v)
		p.id = q.ID
		s = fmt.Sprintf("q%d %s %s", q.QoS, strings.TrimPrefix(string(q.Topic), p.x.ns), short(q.Payload))
		if q.Dup {
			s += " dup"
		}
		if q.Retain {
			s += " retain"
		}
		s += props(q.Props, p.x.ns)
	case packet.PUBACK, packet.PUBREC, packet.PUBREL, packet.PUBCOMP:
		var q packet.Ack
		err = q.Decode(b, p.v)
		s = fmt.Sprintf("%s %d", t, q.ID)
		if q.Reason.Failed() {
			s += " " + q.Reason.String()
		}
	case packet.SUBACK, packet.UNSUBACK:
		var q packet.SubAck
		err = q.Decode(b, p.v)
		s = fmt.Sprintf("%s %d", t, q.ID)
		for _, c := range q.Codes {
			s += fmt.Sprintf(" %02x", c)
		}
	case packet.DISCONNECT:
		var q packet.End
		err = q.Decode(b, p.v)
		s = "DISCONNECT " + q.Reason.String()
	default:
		s = t.String()
	}
	if err != nil {
		p.x.Fatalf("%x: %v", b[:min(len(b), 64)], err)
	}
	return s
}

func short(b []byte) string {
	if len(b) > 40 {
		return fmt.Sprintf("[%d bytes]", len(b))
	}
	return string(b)
}

func props(p packet.Props, ns string) (s string) {
	for v := range p.All {
		switch {
		case v.Key != nil:
			s += fmt.Sprintf(" %s:%s", v.Key, v.Val)
		case v.Val != nil:
			s += fmt.Sprintf(" %d=%s", v.ID, strings.TrimPrefix(string(v.Val), ns))
		default:
			s += fmt.Sprintf(" %d=%d", v.ID, v.Num)
		}
	}
	return s
}

// closed: the connection ends, at most with a DISCONNECT before.
func (p *peer) closed(reasons ...packet.Reason) {
	p.x.Helper()
	b := p.read()
	if b != nil && packet.TypeOf(b) == packet.DISCONNECT && p.v == packet.V5 {
		var q packet.End
		if err := q.Decode(b, p.v); err != nil {
			p.x.Fatal(err)
		}
		if len(reasons) > 0 && !slices.Contains(reasons, q.Reason) {
			p.x.Fatalf("closed with %s, want %v", q.Reason, reasons)
		}
		b = p.read()
	}
	if b != nil {
		p.x.Fatalf("not closed: %s", p.describe(b))
	}
}

// quiet: nothing has come that was not read. What others sent before their own
// quiet has been routed.
func (p *peer) quiet() {
	p.x.Helper()
	p.write([]byte{0xc0, 0})
	p.want("PINGRESP")
}

// pub publishes with identifier 1 and goes through the acknowledgements.
func (p *peer) pub(qos byte, topic, payload string, more ...func(*packet.Publish)) {
	p.x.Helper()
	q := packet.Publish{Topic: p.x.n(topic), Payload: []byte(payload), QoS: qos}
	if qos > 0 {
		q.ID = 1
	}
	for _, f := range more {
		f(&q)
	}
	p.write(q.Append(nil, p.v))
	switch qos {
	case 1:
		p.want("PUBACK 1")
	case 2:
		p.want("PUBREC 1")
		p.answer(packet.PUBREL, 1)
		p.want("PUBCOMP 1")
	default:
		p.quiet()
	}
}

func retain(q *packet.Publish) { q.Retain = true }
func with(props packet.Props) func(*packet.Publish) {
	return func(q *packet.Publish) { q.Props = props }
}

func (p *peer) answer(t packet.Type, id uint16) {
	p.write((&packet.Ack{Type: t, ID: id}).Append(nil, p.v))
}

// take reads a PUBLISH and acknowledges it to the end.
func (p *peer) take(s string) {
	p.x.Helper()
	p.want(s)
	id := p.id
	switch s[:2] {
	case "q1":
		p.answer(packet.PUBACK, id)
	case "q2":
		p.answer(packet.PUBREC, id)
		p.released(id)
		p.answer(packet.PUBCOMP, id)
	}
}

// released waits for a PUBREL. Messages that come before it are for later.
func (p *peer) released(id uint16) {
	p.x.Helper()
	var later []byte
	for {
		b := p.read()
		if b == nil {
			p.x.Fatalf("closed; want PUBREL %d", id)
		}
		if packet.TypeOf(b) != packet.PUBLISH {
			if d := p.describe(b); d != fmt.Sprintf("PUBREL %d", id) {
				p.x.Fatalf("%s; want PUBREL %d", d, id)
			}
			p.got = append(later, p.got...)
			return
		}
		later = append(later, b...)
	}
}

// sub subscribes and expects that QoS is granted.
func (p *peer) sub(qos byte, filters ...string) {
	p.x.Helper()
	var list []packet.Filter
	want := "SUBACK 7"
	for _, f := range filters {
		list = append(list, packet.Filter{Filter: p.x.filter(f), QoS: qos})
		want += fmt.Sprintf(" %02x", qos)
	}
	p.subscribe(nil, list...)
	p.want(want)
}

// filter puts the case's names into a filter.
func (x *run) filter(f string) []byte {
	switch {
	case strings.HasPrefix(f, "$share/"):
		name, rest, _ := strings.Cut(f[len("$share/"):], "/")
		return []byte("$share/" + name + "/" + x.ns + rest)
	case strings.HasPrefix(f, "$"):
		return []byte(f)
	}
	return x.n(f)
}

func (p *peer) subscribe(props packet.Props, list ...packet.Filter) {
	s := packet.Subscribe{ID: 7, Props: props}
	for _, f := range list {
		s.Filters = s.Filters.Append(f)
	}
	p.write(s.Append(nil, p.v))
}

func (p *peer) unsub(want string, filters ...string) {
	p.x.Helper()
	s := packet.Unsubscribe{ID: 8}
	for _, f := range filters {
		s.Filters = s.Filters.Append(p.x.filter(f))
	}
	p.write(s.Append(nil, p.v))
	p.want("UNSUBACK 8" + want)
}

// bye leaves with DISCONNECT and waits until the broker has closed.
func (p *peer) bye(props ...packet.Props) {
	p.x.Helper()
	e := packet.End{Type: packet.DISCONNECT}
	for _, q := range props {
		e.Props = q
	}
	p.write(e.Append(nil, p.v))
	for p.read() != nil {
	}
	_ = p.conn.Close()
}

// cut ends the connection without a word.
func (p *peer) cut() {
	if t, ok := p.conn.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = p.conn.Close()
}
