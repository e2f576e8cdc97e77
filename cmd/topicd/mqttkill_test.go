package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"topicd/cmd/internal/command"
	"topicd/node/dialect/mqtt/packet"
)

// A message of QoS 1 to a durable topic is acknowledged when it is on disk: after
// kill -9 each that was acknowledged is there, once.
func TestMQTTKillNine(t *testing.T) {
	processes(t)
	state := filepath.Join(t.TempDir(), "state")
	next, acked := 0, map[int]bool{}
	for range 3 {
		addr := freePort(t)
		h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", state, "--durable", "z/#", "--mqtt-listen", addr)
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		_, _ = c.Write((&packet.Connect{Version: packet.V5, CleanStart: true, ClientID: []byte("k")}).Append(nil))
		first := next
		way := make(chan bool, 256) // as many may be on their way, CONNACK says: more wait for the disk in vain
		go func() {
			for i := first; i < first+60_000; i++ {
				way <- true
				q := packet.Publish{Topic: []byte("z/a"), Payload: strconv.AppendInt(nil, int64(i), 10), QoS: 1, ID: uint16(i%60_000 + 1)}
				if _, err := c.Write(q.Append(nil, packet.V5)); err != nil {
					return
				}
			}
		}()
		n := 0
		for buf, b := make([]byte, 4096), []byte(nil); n < 400; {
			k, err := c.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			for b = append(b, buf[:k]...); ; {
				pkt, rest, bad := packet.Split(b, 1<<20)
				if b = rest; pkt == nil || bad != nil {
					break
				}
				var a packet.Ack
				if packet.TypeOf(pkt) == packet.PUBACK && a.Decode(pkt, packet.V5) == nil && !a.Reason.Failed() {
					acked[first/60_000*60_000+int(a.ID)-1] = true
					n++
					<-way
				}
			}
		}
		h.kill(t)
		_ = c.Close()
		for range cap(way) { // the publisher ends, too
			select {
			case <-way:
			default:
			}
		}
		next += 60_000
	}
	h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", state, "--durable", "z/#")
	var out strings.Builder
	a := &app{Env: command.Env{In: strings.NewReader(""), Out: &out, Err: &out, Getenv: func(string) string { return "" }}}
	if code := a.run(t.Context(), []string{"get", "z/a", "--last", "1000000", "--raw", "--hub", h.url}); code != 0 {
		t.Fatal(code, out.String())
	}
	times := map[string]int{}
	for _, l := range strings.Fields(out.String()) {
		times[l]++
	}
	lost, twice := 0, 0
	for i := range acked {
		switch n := times[fmt.Sprint(i)]; {
		case n == 0:
			lost++
		case n > 1:
			twice++
		}
	}
	t.Logf("%d acknowledged, %d on disk", len(acked), len(times))
	if lost > 0 || twice > 0 || len(acked) < 1000 {
		t.Errorf("%d lost, %d twice of %d", lost, twice, len(acked))
	}
}

// kill -9 while a share has handed out some of a durable topic: what its member has not
// acknowledged, and what came while nobody was there, comes.
func TestMQTTKillNineOfAShare(t *testing.T) {
	processes(t)
	state := filepath.Join(t.TempDir(), "state")
	got := map[string]int{}
	var s *siege
	member := func() net.Conn {
		addr := freePort(t)
		s = &siege{T: t, h: serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", state, "--durable", "z/#", "--store-sync", "5ms", "--mqtt-listen", addr)}
		s.h.mqtt = addr
		return s.mqtt("127.0.0.1", "member", packet.V5, func(q *packet.Connect) {
			q.CleanStart, q.Props = false, q.Props.AppendNum(packet.SessionExpiry, 1000)
		})
	}
	take := func(c net.Conn, most int) {
		for len(got) < most {
			pkt := s.packet(c)
			if pkt == nil {
				t.Fatalf("%d came", len(got))
			}
			var q packet.Publish
			if packet.TypeOf(pkt) == packet.PUBLISH && q.Decode(pkt, packet.V5) == nil {
				got[string(q.Payload)]++
				_, _ = c.Write((&packet.Ack{Type: packet.PUBACK, ID: q.ID}).Append(nil, packet.V5))
			}
		}
	}
	publish := func(from, to int) {
		p := s.mqtt("127.0.0.1", "pub", packet.V5)
		_ = p.SetDeadline(time.Now().Add(2 * time.Minute)) // each waits for the disk
		for i := from; i < to; i++ {
			q := packet.Publish{Topic: fmt.Appendf(nil, "z/%d", i%3), Payload: strconv.AppendInt(nil, int64(i), 10)}
			if why, ok := s.mqttPub(p, q); !ok || why.Failed() {
				t.Fatal(why, ok)
			}
		}
	}
	m := member()
	_ = m.SetDeadline(time.Now().Add(2 * time.Minute))
	q := packet.Subscribe{ID: 1, Filters: packet.Filters(nil).Append(packet.Filter{Filter: []byte("$share/g/z/#"), QoS: 1})}
	_, _ = m.Write(q.Append(nil, packet.V5))
	s.packet(m)
	publish(0, 60)
	take(m, 30)
	_ = m.Close()
	publish(60, 90)
	s.h.kill(t)
	m = member()
	_ = m.SetDeadline(time.Now().Add(2 * time.Minute))
	publish(90, 100)
	take(m, 100)
	more := 0
	for _, n := range got {
		more += n - 1
	}
	t.Logf("%d of 100 came again", more)
}
