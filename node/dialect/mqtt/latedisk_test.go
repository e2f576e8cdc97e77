package mqtt

import (
	"slices"
	"testing"

	"topicd/node"
	"topicd/node/dialect/dialecttest"
	"topicd/node/dialect/mqtt/packet"
)

func once(p *peer, id uint16, what string, dup bool) []byte {
	return (&packet.Publish{Topic: []byte("z/a"), Payload: []byte(what), QoS: 2, ID: id, Dup: dup}).Append(nil, p.v)
}

// A message of QoS 2 that the disk fails behind is over for MQTT 5: another one with its
// identifier is not taken for the same one sent again.
func TestIdentifierOfWhatTheDiskFailedBehind(t *testing.T) {
	h, late, x := lateHub(t)
	x.v = packet.V5
	p := x.connect("p")
	p.write(once(p, 1, "1", false))
	dialecttest.Await(t, "it is taken", func() bool { return h.Stats.Get(node.Stored) == 1 })
	late.fails.Store(true)
	h.Committed()
	p.want("PUBREC 1 quota exceeded")
	late.goOn.Store(true)
	late.fails.Store(false)
	p.write(once(p, 1, "2", false))
	p.want("PUBREC 1")
	if n := h.Stats.Get(node.Stored); n != 2 {
		t.Errorf("%d messages are stored", n)
	}
}

// The first that a client which comes back is sent is the CONNACK, though answers to what
// it sent before have become due meanwhile.
func TestAnswersThatWaitDoNotPrecedeTheConnack(t *testing.T) {
	h, late, x := lateHub(t)
	p := x.persistent("p")
	p.write((&packet.Publish{Topic: []byte("z/a"), Payload: []byte("1"), QoS: 1, ID: 7}).Append(nil, p.v))
	dialecttest.Await(t, "it is taken", func() bool { return h.Stats.Get(node.Stored) == 1 })
	p.cut()
	dialecttest.Await(t, "it is away", func() bool {
		return slices.ContainsFunc(h.Clients(), func(c node.ClientInfo) bool { return c.State == "offline" })
	})
	if err := late.Store.Sync(); err != nil {
		t.Fatal(err)
	}
	late.goOn.Store(true)
	h.Committed()
	p = x.persistent("p")
	p.write([]byte{0xc0, 0})
	p.want("PINGRESP")
}

// Before MQTT 5 a message of QoS 2 that the disk failed behind is sent again: it is
// acknowledged when it is on disk, not because it has come before, and stored once.
func TestSentAgainWhileTheDiskFails(t *testing.T) {
	h, late, x := lateHub(t)
	p := x.persistent("p")
	p.write(once(p, 1, "1", false))
	dialecttest.Await(t, "it is taken", func() bool { return h.Stats.Get(node.Stored) == 1 })
	late.fails.Store(true)
	h.Committed()
	p.closed()
	p.cut()
	p = x.persistent("p")
	p.write(once(p, 1, "1", true))
	p.closed()
	late.goOn.Store(true)
	late.fails.Store(false)
	p = x.persistent("p")
	p.write(once(p, 1, "1", true))
	p.want("PUBREC 1")
	if n := h.Stats.Get(node.Stored); n != 1 {
		t.Errorf("it is stored %d times", n)
	}
}
