package mqtt

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/arena"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
	"topicd/node/dialect/mqtt/packet"
	"topicd/node/durable"
	"topicd/node/store"
)

// lateDisk is a disk that has nothing on it until it is let go.
type lateDisk struct {
	*durable.Disk
	goOn  atomic.Bool
	fails atomic.Bool
}

// Committed implements node.Disk.
func (d *lateDisk) Committed(c node.Commit) (bool, *codec.Error) {
	switch {
	case d.fails.Load():
		return false, codec.Errorf(codec.CodeNoRoom, "the disk is full")
	case !d.goOn.Load():
		return false, nil
	}
	return d.Disk.Committed(c)
}

// lateHub is a hub with such a disk, for MQTT 3.1.1.
func lateHub(t *testing.T) (*dialecttest.Hub, *lateDisk, *run) {
	disk, err := durable.Open(store.Options{Dir: t.TempDir(), Sync: 5 * time.Millisecond}, []string{"z/#"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = disk.Close() })
	late := &lateDisk{Disk: disk}
	h := dialecttest.Start(t, dialecttest.Options{
		Hub: node.Options{Rate: -1, Disk: late, Epoch: disk.Store.Epoch()},
		Plugs: func(h *node.Hub) []dialect.Plug {
			disk.Attach(h)
			return []dialect.Plug{Plug(Config{Hub: h})}
		},
	})
	addr := h.Bare(t, "mqtt")
	return h, late, &run{T: t, v: packet.V4, b: overTCP(addr)}
}

// Who publishes more of QoS 1 than may wait for the disk, and has no word for "too much"
// in its version, is left unread until the disk has caught up. It was cut, all of it
// unacknowledged, and had come again with the same.
func TestMoreThanMayWaitForTheDisk(t *testing.T) {
	h, late, x := lateHub(t)
	p := x.connect("p")
	const n, may = 6000, 4096
	go func() {
		var b []byte
		for i := range n {
			b = (&packet.Publish{Topic: []byte("z/a"), Payload: []byte("1"), QoS: 1, ID: uint16(i + 1)}).Append(b, p.v)
		}
		p.write(b)
	}()
	dialecttest.Await(t, "as many wait as may", func() bool { return h.Stats.Get(node.Stored) >= may })
	late.goOn.Store(true)
	h.Committed()
	for i := range n {
		p.want(fmt.Sprint("PUBACK ", i+1))
	}
	if n := h.Stats.Get(node.RefusedLater); n != 0 {
		t.Errorf("%d refused", n)
	}
}

// A client of MQTT 3.1.1 whose message there is no room for is ended, which is the only
// word for it, and not counted as one that broke the protocol.
func TestEndedForRoom(t *testing.T) {
	h, _, as := strict(t, node.Options{Topics: 4})
	x := as("")
	x.v = packet.V4
	p := x.connect("p")
	for i := range 8 {
		p.write((&packet.Publish{Topic: fmt.Append(nil, "t/", i), Payload: []byte("1"), QoS: 1, ID: 1}).Append(nil, p.v))
	}
	for p.read() != nil {
	}
	if room, broke := h.Stats.Get(node.CutRoom), h.Stats.Get(node.CutProtocol); room != 1 || broke != 0 {
		t.Errorf("%d ended for room, %d for the protocol", room, broke)
	}
}

// Who is ended for its rate is counted among those that were ended.
func TestEndedForTheRate(t *testing.T) {
	h, _, as := strict(t, node.Options{Rate: 20})
	p := as("").connect("p")
	p.write(bytes.Repeat([]byte{0xc0, 0}, 3000)) // as one message of WebSocket: they come together
	for p.read() != nil {
	}
	if n := h.Stats.Get(node.CutFlood); n != 1 {
		t.Errorf("%d are counted", n)
	}
}

// Whose messages were taken, and then the disk fails, is ended before MQTT 5, once: it sends
// what is not acknowledged again when it is back, and not as long as it waits.
func TestDiskFailsBehindAMessage(t *testing.T) {
	h, late, x := lateHub(t)
	p := x.connect("p")
	for i := range 3 {
		p.write((&packet.Publish{Topic: []byte("z/a"), Payload: []byte("1"), QoS: 1, ID: uint16(i + 1)}).Append(nil, p.v))
	}
	dialecttest.Await(t, "they are taken", func() bool { return h.Stats.Get(node.Stored) == 3 })
	late.fails.Store(true)
	h.Committed()
	p.closed()
	if n := h.Stats.Get(node.CutRoom); n != 1 {
		t.Errorf("%d are counted", n)
	}
}

// fullDisk takes no more readings.
type fullDisk struct{ *durable.Disk }

type fullTape struct{ node.Tape }

// Tape implements node.Disk.
func (d fullDisk) Tape(topic string, declared bool, ep, next uint64) (node.Tape, uint64, uint64) {
	t, ep, next := d.Disk.Tape(topic, declared, ep, next)
	if t != nil {
		t = fullTape{t}
	}
	return t, ep, next
}

// Append implements node.Tape.
func (fullTape) Append(uint64, uint64, *arena.Record, uint64) (node.Commit, *codec.Error) {
	return 0, codec.Errorf(codec.CodeNoRoom, "the disk is full")
}

// What is not going to be on disk is not acknowledged: MQTT 5 says why, before it the
// connection ends, so that the message is sent again.
func TestFullDiskIsNotAcknowledged(t *testing.T) {
	disk, err := durable.Open(store.Options{Dir: t.TempDir()}, []string{"z/#"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = disk.Close() })
	h := dialecttest.Start(t, dialecttest.Options{
		Hub:   node.Options{Rate: -1, Disk: fullDisk{disk}, Epoch: disk.Store.Epoch()},
		Plugs: func(h *node.Hub) []dialect.Plug { return []dialect.Plug{Plug(Config{Hub: h})} },
	})
	addr := h.Bare(t, "mqtt")
	for _, v := range []packet.Version{packet.V4, packet.V5} {
		x := &run{T: t, v: v, b: overTCP(addr)}
		for qos, answer := range []string{1: "PUBACK 1 quota exceeded", 2: "PUBREC 1 quota exceeded"} {
			if answer == "" {
				continue
			}
			p := x.connect("p")
			p.write((&packet.Publish{Topic: []byte("z/a"), Payload: []byte("1"), QoS: byte(qos), ID: 1}).Append(nil, v))
			if v == packet.V5 {
				p.want(answer)
			} else {
				p.closed()
			}
		}
	}
	if n := h.Stats.Get(node.CutRoom); n != 2 {
		t.Errorf("%d are counted", n)
	}
}
