package mqtt

import (
	"fmt"
	"path/filepath"
	"testing"

	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// So many messages come unacknowledged, and not one more: where the session ends with
// its connection, where it outlives the hub, and where the client says less.
func TestWindow(t *testing.T) {
	fill := func(p *peer, pub *peer, topic string, most int) {
		for i := range most + 5 {
			pub.pub(1, topic, fmt.Sprint(i))
		}
		for i := range most {
			p.want(fmt.Sprintf("q1 %s %d", topic, i))
		}
		p.quiet()
		p.answer(packet.PUBACK, p.id)
		p.want(fmt.Sprintf("q1 %s %d", topic, most))
	}
	_, _, as := strict(t, node.Options{Rate: -1})
	p := as("").connect("clean")
	p.sub(1, "a")
	fill(p, as("").connect("pub"), "a", maxWindow)
	p = as("").connect("few", num(packet.ReceiveMaximum, 3))
	p.sub(1, "b")
	fill(p, as("").connect("pub"), "b", 3)
	live(t, packet.V5, filepath.Join(t.TempDir(), "a"), nil, func(l *life) {
		p := l.persistent("kept")
		p.sub(1, "c")
		fill(p, l.connect("pub"), "c", keptWindow)
	})
}
