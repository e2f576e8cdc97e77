//go:build ignore

// What measure.sh adds to a copy of the peers' load generator, beside peers.patch:
// readings of other sizes, many patterns, both encodings, MQTT with QoS 1, and the
// bare readers of bare.go and bare.c.

package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	size     = flag.Int("size", 100, "bytes of a reading: 16, about 100, or 4096")
	wild     = flag.Bool("wild", false, "a pattern with a wildcard for each topic, instead of one for all")
	workName = flag.String("as", "", "name of the work in the row")
)

func named(work string) string {
	if *workName != "" {
		return *workName
	}
	return work
}

// payload is a reading of that size. Small ones have no room for a time.
func payload(i int, cbor bool) []byte {
	b := payload100(i, cbor)
	switch {
	case *size == 16 && cbor:
		return append([]byte{0xa2, 0x61, 't', 0x1b, 0, 0, 0, 0, 0, 0, 0, 1}, 0x61, 'a', 0x18, 42)
	case *size == 16:
		return []byte(`{"t":21.5,"a":1}`)
	case *size == 4096 && cbor:
		b[0]++
		pad := *size - len(b) - 7
		b = append(b, 0x63, 'p', 'a', 'd', 0x79, byte(pad>>8), byte(pad))
		return append(b, strings.Repeat("x", pad)...)
	case *size == 4096:
		return fmt.Appendf(b[:len(b)-1], `,"pad":%q}`, strings.Repeat("x", *size-len(b)-9))
	}
	return b
}

// patterns are k filters of which each fits one topic.
func patterns(k int) []string {
	if !*wild {
		return nil
	}
	o := make([]string, k)
	for i := range o {
		o[i] = fmt.Sprintf("+/%06d", i)
	}
	return o
}

// stamp makes a frame ready to be sent again.
func stamp(f *Frame) {
	if *size != 16 {
		f.stamp(nowNs())
	}
	if f.id > 0 {
		n := max(1, binary.BigEndian.Uint16(f.b[f.id:])+1)
		binary.BigEndian.PutUint16(f.b[f.id:], n)
	}
}

// both is a hub whose dashboards want another encoding than its sensors send: each,
// or every other one.
type both struct {
	*jsonHub // what publishes
	other    *jsonHub
	half     bool
	n        atomic.Int64
}

func (m *both) Subscribe(c *Conn, filters []string) error {
	if m.half && m.n.Add(1)%2 == 1 {
		return m.jsonHub.Subscribe(c, filters)
	}
	return m.other.Subscribe(c, filters)
}

// natsWild is NATS with MQTT's wildcard for one level.
type natsWild struct{ *nats }

func (m natsWild) Subscribe(c *Conn, filters []string) error {
	for i, f := range filters {
		filters[i] = strings.ReplaceAll(f, "+", "*")
	}
	return m.nats.Subscribe(c, filters)
}

// bare is a reader that tells the first connection how many frames it has counted.
type bare struct{ *jsonHub }

func (bare) Sync(*Conn) error                { return nil }
func (bare) Subscribe(*Conn, []string) error { return nil }
func (bare) Parse(c *Conn, b []byte) int     { return wsParse(c, b, counted) }

func counted(c *Conn, _ byte, p []byte) {
	n := binary.BigEndian.Uint64(p)
	c.l.recv += n - c.n
	c.n = n
}

// qos1 is MQTT over TCP with QoS 1 both ways.
type qos1 struct{ *mqtt }

func (m qos1) Subscribe(c *Conn, filters []string) error {
	body := []byte{0, 1}
	for _, f := range filters {
		body = append(append(body, mstr(f)...), 1)
	}
	if err := c.writeAll(pkt(0x82, body)); err != nil {
		return err
	}
	return c.waitAcks(m, c.acks+1)
}

func (m qos1) PubFrame(topic string, payload []byte, retain bool) *Frame {
	head := append(mstr(topic), 0, 0)
	f := plainFrame(pkt(0x32, append(head, payload...)))
	f.id = len(f.b) - len(payload) - 2
	return f
}

func (m qos1) Parse(c *Conn, b []byte) int {
	for off := 0; off < len(b); {
		n, k := binary.Uvarint(b[off+1:]) // MQTT's lengths are these
		end := off + 1 + k + int(n)
		if k <= 0 || end > len(b) {
			b = b[:off]
			break
		}
		p := b[off+1+k : end]
		if b[off]>>4 == 3 {
			name := 2 + int(binary.BigEndian.Uint16(p))
			if b[off]&6 != 0 {
				c.inner = append(c.inner, 0x40, 2, p[name], p[name+1])
			}
			c.got(p)
		} else if b[off]>>4 != 4 { // CONNACK, SUBACK, PINGRESP
			c.acks++
		}
		off = end
	}
	// One write for all: what a socket does not take now is sent with the next.
	if len(c.inner) > 0 {
		if n, err := syscall.Write(c.fd, c.inner); err == nil {
			c.inner = append(c.inner[:0], c.inner[n:]...)
		}
	}
	return len(b)
}

// idle counts the spans of 20 ms in which a server that nobody uses was awake.
func idle(target string, pid int) {
	const seconds, span = 10, 20 * time.Millisecond
	wakes, last := 0, switches(pid)
	for end := time.Now().Add(seconds * time.Second); time.Now().Before(end); time.Sleep(span) {
		if n := switches(pid); n != last {
			wakes, last = wakes+1, n
		}
	}
	out(Result{Target: target, Work: "idle", Rate: float64(wakes) / seconds, RSS: rss(pid), Load: load()})
}

// switches is how often the process's threads have gone to sleep.
func switches(pid int) (sum int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, f := range files {
		var n int
		text, _ := os.ReadFile(f)
		_, rest, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		_, _ = fmt.Sscan(rest, &n)
		sum += n
	}
	return sum
}

func init() {
	json, cbor := adapters["hubjson"].(*jsonHub), adapters["hubcbor"].(*jsonHub)
	adapters["hubmixed"] = &both{jsonHub: cbor, other: json, half: true}
	adapters["hubjsoncbor"] = &both{jsonHub: json, other: cbor}
	adapters["hubcborjson"] = &both{jsonHub: cbor, other: json}
	adapters["natsws"] = natsWild{adapters["natsws"].(*nats)}
	adapters["bare"] = bare{json}
	adapters["mqttq1"] = qos1{adapters["mqtt"].(*mqtt)}
}
