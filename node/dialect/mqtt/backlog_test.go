package mqtt

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
	"topicd/node/dialect/mqtt/packet"
	"topicd/node/durable"
	"topicd/node/store"
)

// counted is a disk that counts what it is asked to read.
type counted struct {
	*durable.Disk
	pages atomic.Int64
}

func (d *counted) Go(work func()) {
	d.pages.Add(1)
	d.Disk.Go(work)
}

// backlog is a hub with z/h on disk, and a client that is away while it is published to.
type backlog struct {
	testing.TB
	disk *counted
	hub  *dialecttest.Hub
	addr string
	r    *reader
}

func newBacklog(t testing.TB, filter string, qos byte) *backlog {
	disk, err := durable.Open(store.Options{Dir: t.TempDir(), Sync: 5 * time.Millisecond}, []string{"z/#"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = disk.Close() })
	b := &backlog{TB: t, disk: &counted{Disk: disk}}
	b.hub = dialecttest.Start(t, dialecttest.Options{
		Hub:      node.Options{Rate: -1, Disk: b.disk, Epoch: disk.Store.Epoch()},
		MaxFrame: 1 << 20,
		Plugs: func(h *node.Hub) []dialect.Plug {
			disk.Attach(h)
			return []dialect.Plug{Plug(Config{Hub: h, Archive: disk})}
		},
	})
	b.addr = b.hub.Bare(t, "mqtt")
	b.connect()
	t.Cleanup(func() { _ = b.r.conn.Close() })
	s := packet.Subscribe{ID: 7}
	s.Filters = s.Filters.Append(packet.Filter{Filter: []byte(filter), QoS: qos})
	b.r.write(s.Append(nil, packet.V4))
	b.r.until(packet.SUBACK, 1)
	return b
}

// publish stores so many readings while the client is away.
func (b *backlog) publish(n int) {
	_ = b.r.conn.Close()
	dialecttest.Await(b, "the client to be away", func() bool {
		for _, c := range b.hub.Clients() {
			if c.State == "offline" {
				return true
			}
		}
		return false
	})
	turn := b.hub.Turn()
	p, err := b.hub.Open(node.Deaf{}, "", "", turn)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close(turn)
	for i := range n {
		body := node.Body{Enc: codec.JSON, Data: fmt.Appendf(nil, `{"n":%d,"text":"%s"}`, i, strings.Repeat("x", 60)), QoS: 2}
		b.hub.Tick(turn)
		if _, err := p.Publish([]byte("z/h"), body, 0, turn); err != nil {
			b.Fatal(err)
		}
		turn.Wake()
		if i%500 == 499 || i == n-1 {
			if err := b.disk.Store.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func (b *backlog) connect() {
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.Fatal(err)
	}
	b.r = &reader{b, conn, bufio.NewReaderSize(conn, 64<<10)}
	c := packet.Connect{Version: packet.V4, ClientID: []byte("reader"), KeepAlive: 600}
	b.r.write(c.Append(nil))
	b.r.until(packet.CONNACK, 1)
}

// Each page of a backlog is read from the disk once, however few messages are under way
// at a time. Each message of a share took a page.
func TestPagesOfABacklogAreReadOnce(t *testing.T) {
	for name, qos := range map[string]byte{"z/h": 1, "$share/g/z/h": 1, "$share/zero/z/h": 0} {
		const n = 3000
		b := newBacklog(t, name, qos)
		b.publish(n)
		b.disk.pages.Store(0)
		b.connect()
		b.r.until(packet.PUBLISH, n)
		if pages, most := b.disk.pages.Load(), int64(n*130/(16<<10)+10); pages > most {
			t.Errorf("%s: %d readings of 80 bytes took %d pages, want at most %d", name, n, pages, most)
		}
		_ = b.r.conn.Close()
	}
}

// What a reading costs that comes from the disk: 20,000 of them, to a client that was
// away, each acknowledged as it comes. CPU is the hub's and the client's.
func BenchmarkBacklog(b *testing.B) {
	const n = 20_000
	for _, way := range []struct {
		name, filter string
		qos          byte
	}{{"qos0", "z/h", 0}, {"qos1", "z/h", 1}, {"share0", "$share/g/z/h", 0}, {"share1", "$share/g/z/h", 1}} {
		b.Run(way.name, func(b *testing.B) {
			l := newBacklog(b, way.filter, way.qos)
			b.ResetTimer()
			var cpu time.Duration
			l.disk.pages.Store(0)
			for range b.N {
				b.StopTimer()
				l.publish(n)
				began := used()
				b.StartTimer()
				l.connect()
				l.r.until(packet.PUBLISH, n)
				cpu += used() - began
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "readings/s")
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N*n), "cpu-ns/reading")
			b.ReportMetric(float64(l.disk.pages.Load())/float64(b.N), "pages")
		})
	}
}

// used is the CPU that the process has used.
func used() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reader is a client that does nothing but acknowledge.
type reader struct {
	testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func (r *reader) write(b []byte) {
	if _, err := r.conn.Write(b); err != nil {
		r.Fatal(err)
	}
}

// until reads up to so many packets of a type. What has come together is acknowledged
// together.
func (r *reader) until(t packet.Type, n int) {
	_ = r.conn.SetReadDeadline(time.Now().Add(patience))
	var acks []byte
	for n > 0 {
		if len(acks) > 0 && r.in.Buffered() == 0 {
			r.write(acks)
			acks = acks[:0]
		}
		var pkt []byte
		for want := 2; pkt == nil; want++ {
			got, err := r.in.Peek(max(want, r.in.Buffered()))
			if err != nil {
				r.Fatal(err)
			}
			var bad *packet.Error
			if pkt, _, bad = packet.Split(got, 1<<20); bad != nil {
				r.Fatal(bad)
			}
		}
		if packet.TypeOf(pkt) == t {
			n--
		}
		if packet.TypeOf(pkt) == packet.PUBLISH {
			var q packet.Publish
			if err := q.Decode(pkt, packet.V4); err != nil {
				r.Fatal(err)
			}
			if q.QoS == 1 {
				acks = (&packet.Ack{Type: packet.PUBACK, ID: q.ID}).Append(acks, packet.V4)
			}
		}
		_, _ = r.in.Discard(len(pkt))
	}
	r.write(acks)
}
