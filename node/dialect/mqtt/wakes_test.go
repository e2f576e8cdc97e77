package mqtt

import (
	"fmt"
	"testing"

	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// What a full window holds back comes when its subscription is asked for anew with
// QoS 0, which has no window.
func TestWindowThatIsGivenUp(t *testing.T) {
	_, _, as := strict(t, node.Options{Rate: -1})
	p, pub := as("").connect("reader", num(packet.ReceiveMaximum, 1)), as("").connect("pub")
	p.sub(1, "a/+")
	for i := range 3 {
		pub.pub(1, "a/b", fmt.Sprint(i))
	}
	p.want("q1 a/b 0")
	p.quiet()
	p.subscribe(nil, packet.Filter{Filter: p.x.n("a/+"), RetainHandling: 2})
	p.wantSet("SUBACK 7 00", "q0 a/b 1", "q0 a/b 2")
	pub.pub(1, "a/b", "3")
	p.want("q0 a/b 3")
}
