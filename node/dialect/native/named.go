package native

import (
	"topicd/codec"
	"topicd/node"
)

// named are the durable subscriptions of a connection.
type named struct {
	dev  string // who said hello as a device
	subs []keptSub
}

// keptSub is one pattern of a durable subscription.
type keptSub struct {
	name, pattern string
	kept          node.Kept
}

func (n *native) isDevice(dev string) {
	if n.named == nil {
		n.named = new(named)
	}
	n.named.dev = dev
}

// tokened are rights that a token gave.
type tokened interface{ Token() string }

// who owns durable subscriptions: the device, or else the token. "" = nobody who
// could be known again.
func (n *native) who(p node.Peer) string {
	if n.named != nil && n.named.dev != "" {
		return "dev " + n.named.dev
	}
	if r, ok := p.Session().Rights().(tokened); ok && r.Token() != "" {
		return "token " + r.Token()
	}
	return ""
}

var (
	errNobody  = &codec.Error{Code: codec.CodeForbidden, Msg: "a durable subscription needs a device (hello with dev) or a token"}
	errNoStore = &codec.Error{Code: codec.CodeNotFound, Msg: "this hub keeps nothing on disk: no subscription can be durable"}
	errNotKept = &codec.Error{Code: codec.CodeNotFound, Msg: "no durable subscription on this connection hears that topic: subscribe with its name first"}
	errAck     = &codec.Error{Code: codec.CodeMalformed, Msg: "ack is for one topic, not for a pattern"}
	errAhead   = &codec.Error{Code: codec.CodeConflict, Msg: "the topic has no reading of that number yet"}
)

// maxKeptName is what a durable subscription's name may be long, as any name.
const maxKeptName = 64

// keep finds or begins a durable subscription. Whoever may not read the pattern
// begins none.
func (n *native) keep(p node.Peer, name string, pattern []byte, m *codec.Message) (node.Kept, *codec.Error) {
	if n.cfg.Keeper == nil {
		return nil, errNoStore
	}
	who := n.who(p)
	if who == "" {
		return nil, errNobody
	}
	if len(name) > maxKeptName || codec.CheckTopic([]byte(name)) != nil {
		return nil, codec.Errorf(codec.CodeMalformed, "the name of a durable subscription is 1 to %d bytes without + # or control characters", maxKeptName)
	}
	if err := codec.CheckPattern(pattern); err != nil {
		return nil, err
	}
	if err := p.Session().MaySubscribe(pattern); err != nil {
		return nil, err
	}
	kept, err := n.cfg.Keeper.Subscribe(who, name, string(pattern))
	if err == nil && m.Has.Has(codec.KeyAck) && !codec.HasWildcard(string(pattern)) {
		if err = n.done(kept, pattern, m.Ack); err != nil {
			kept.Leave()
		}
	}
	return kept, err
}

// holds notes what the connection has subscribed to, durable or not.
func (n *native) holds(name, pattern string, kept node.Kept) {
	n.named.drop(pattern)
	if kept != nil {
		if n.named == nil {
			n.named = new(named)
		}
		n.named.subs = append(n.named.subs, keptSub{name, pattern, kept})
	}
}

func (d *named) drop(pattern string) {
	if d == nil {
		return
	}
	for i, s := range d.subs {
		if s.pattern == pattern {
			s.kept.Leave()
			d.subs = append(d.subs[:i], d.subs[i+1:]...)
			return
		}
	}
}

func (d *named) leave() {
	if d != nil {
		for _, s := range d.subs {
			s.kept.Leave()
		}
		d.subs = nil
	}
}

// ack takes an acknowledgement for the durable subscriptions that hear the topic.
// done false: there is none, and the frame is one that subscribes.
func (n *native) ack(p node.Peer, enc codec.Encoding, m *codec.Message, topic []byte, name string, turn *node.Turn) (done bool, err *codec.Error) {
	some := false
	if n.named != nil {
		for _, s := range n.named.subs {
			if (name == "" || name == s.name) && (s.pattern == string(topic) || codec.Match(s.pattern, string(topic))) {
				if codec.HasWildcard(string(topic)) {
					return true, errAck
				}
				if err := n.done(s.kept, topic, m.Ack); err != nil {
					return true, err
				}
				some = true
			}
		}
	}
	switch {
	case some && m.Has.Has(codec.KeyID):
		n.ok(p, enc, m, &codec.Message{}, turn)
	case !some && name == "":
		return true, errNotKept
	}
	return some, nil
}

// done notes that a topic's readings up to seq are done with. A number that it has
// not reached is of an earlier topic of that name.
func (n *native) done(kept node.Kept, topic []byte, seq uint64) *codec.Error {
	h := n.cfg.Hub
	if t := h.Find(topic); t != nil && seq > h.Newest(t) {
		return errAhead
	}
	return kept.Ack(string(topic), seq)
}

// unsub ends subscriptions of the connection: to a pattern, or all of a name; and
// with forget what the hub keeps of them.
func (n *native) unsub(p node.Peer, enc codec.Encoding, m *codec.Message, o *codec.Opts, turn *node.Turn) *codec.Error {
	pattern := ""
	if m.Has.Has(codec.KeyTopic) || o.Name == "" {
		topic, err := n.topic(p, m)
		if err != nil {
			return err
		}
		pattern = string(topic)
	}
	var some bool
	var err *codec.Error
	if o.Name == "" {
		n.named.drop(pattern)
		err = p.Session().Unsubscribe([]byte(pattern), turn)
		some = err == nil
	} else {
		some = n.leaves(p, o.Name, pattern, turn)
	}
	if o.Forget && o.Name != "" && n.cfg.Keeper != nil {
		if who := n.who(p); who == "" {
			err = errNobody
		} else if n.cfg.Keeper.Forget(who, o.Name, pattern) > 0 {
			some = true
		}
	}
	if !some && err == nil {
		err = codec.Errorf(codec.CodeNotFound, "no durable subscription %q", o.Name)
	}
	if !some {
		return err
	}
	n.ok(p, enc, m, &codec.Message{}, turn)
	return nil
}

// leaves ends the connection's durable subscriptions of a name.
func (n *native) leaves(p node.Peer, name, pattern string, turn *node.Turn) (some bool) {
	if n.named == nil {
		return false
	}
	for _, s := range append([]keptSub(nil), n.named.subs...) {
		if s.name == name && (pattern == "" || pattern == s.pattern) {
			n.named.drop(s.pattern)
			some = p.Session().Unsubscribe([]byte(s.pattern), turn) == nil || some
		}
	}
	return some
}
