package dialect

import (
	"topicd/codec"
	"topicd/node"
)

// Echo sends every message back to who sent it: text as text, binary as binary.
// It has no state: all connections share one.
type Echo struct{}

// echoed stands for what is heard here when rights are asked: there is no such topic.
var echoed = []byte("echo")

// Open implements node.Dialect.
func (Echo) Open(p node.Peer, turn *node.Turn) { p.Session().Describe("echo", "", turn) }

// Close implements node.Dialect.
func (Echo) Close(node.Peer, *node.Turn) {}

// Bye implements node.Dialect: the close frame says it.
func (Echo) Bye(node.Peer, *codec.Error, *node.Turn) {}

// Frame implements node.Dialect. A message cannot be refused in words, and one
// that is not sent back would be waited for: who is too fast is cut (1013).
func (Echo) Frame(p node.Peer, text bool, payload []byte, turn *node.Turn) {
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
