// Package echo sends every message back.
package echo

import (
	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
)

// Plug is the dialect for the hub's endpoints. All connections share one value:
// it has no state.
func Plug() dialect.Plug {
	return dialect.Plug{
		Name: "echo", Title: "echo", Paths: []string{"/echo"},
		Open: func(node.Arrival) node.Dialect { return echo{} },
	}
}

// echo sends every message back to who sent it: text as text, binary as binary.
type echo struct{}

// echoed stands for what is heard here when rights are asked: there is no such topic.
var echoed = []byte("echo")

// Open implements node.Dialect.
func (echo) Open(p node.Peer, turn *node.Turn) { p.Session().Describe("echo", "", turn) }

// Close implements node.Dialect.
func (echo) Close(node.Peer, *node.Turn) {}

// Bye implements node.Dialect: the close frame says it.
func (echo) Bye(node.Peer, *codec.Error, *node.Turn) {}

// Frame implements node.Dialect. A message cannot be refused in words, and one
// that is not sent back would be waited for: who is too fast is cut (1013).
func (echo) Frame(p node.Peer, text bool, payload []byte, turn *node.Turn) {
	s := p.Session()
	err := s.Spend(1, len(payload), turn.Mono)
	if err == nil {
		err = s.MaySubscribe(echoed)
	}
	if err != nil {
		s.Sink().Cut(err)
		return
	}
	p.Send(text, payload, turn)
}
