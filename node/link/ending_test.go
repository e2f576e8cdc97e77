package link_test

import (
	"topicd/node"
)

// ending is an echo that ends the connection when it is told "end".
func ending(node.Arrival) node.Dialect { return &endingEcho{} }

type endingEcho struct{ echo }

func (endingEcho) Frame(p node.Peer, text bool, b []byte, turn *node.Turn) {
	if string(b) == "end" {
		p.End(4000, "as told", turn)
		return
	}
	p.Send(text, b, turn)
}
