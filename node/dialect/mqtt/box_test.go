package mqtt

import (
	"strings"
	"testing"

	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// Who asks for something while a large message of a share waits to be written to it gets
// its answer behind that. It was taken for one that does not read its answers.
func TestAnswersBehindALargeMessage(t *testing.T) {
	_, s, as := strict(t, node.Options{Rate: -1})
	p := as("").connect("slow")
	large := (&packet.Publish{Topic: []byte("s"), Payload: []byte(strings.Repeat("x", 2*maxBox))}).Append(nil, p.v)
	cl := clientOf(t, s, "slow")
	cl.mu.Lock()
	cl.out.put(large)
	cl.out.box.shared = len(large)
	s.boxes.Move(0, len(large))
	cl.mu.Unlock()
	p.subscribe(nil, packet.Filter{Filter: []byte("a")})
	p.want("q0 s [131072 bytes]")
	p.want("SUBACK 7 00")
}
