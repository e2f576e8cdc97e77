package dialect

import (
	"topicd/codec"
	"topicd/node"
)

// first is spoken on / until the peer's first message tells what it speaks.
type first struct {
	router  *Router
	arrival node.Arrival
}

// Open implements node.Dialect.
func (f *first) Open(node.Peer, *node.Turn) {}

// Close implements node.Dialect.
func (f *first) Close(node.Peer, *node.Turn) {}

// Bye implements node.Dialect.
func (f *first) Bye(p node.Peer, why *codec.Error, turn *node.Turn) {
	f.router.plugs[0].Open(f.arrival).Bye(p, why, turn)
}

// Frame implements node.Dialect.
func (f *first) Frame(p node.Peer, text bool, payload []byte, turn *node.Turn) {
	d := f.router.sniff(text, payload).Open(f.arrival)
	p.Speak(d)
	d.Open(p, turn)
	d.Frame(p, text, payload, turn)
}

func (rt *Router) sniff(text bool, payload []byte) *Plug {
	for i := range rt.plugs {
		if p := &rt.plugs[i]; p.Sniff != nil && p.Sniff(text, payload) {
			return p
		}
	}
	return &rt.plugs[0]
}
