package native

import (
	"topicd/codec"
	"topicd/node"
)

// pub is the hot path.
func (n *native) pub(p node.Peer, enc codec.Encoding, m *codec.Message, turn *node.Turn) *codec.Error {
	switch {
	case !m.Has.Has(codec.KeyTopic):
		return errNoTopic
	case !m.Has.Has(codec.KeyData):
		return errNoData
	case m.Has.Has(codec.KeyOpts):
		var o codec.Opts
		if err := codec.ParseOpts(enc, m.Opts, &o); err != nil {
			return codec.AsError(err)
		}
		if o.Split {
			return n.split(p, enc, m, turn)
		}
	}
	s := p.Session()
	body := node.Body{Enc: enc, Data: m.Data}
	var done node.Published
	var err *codec.Error
	if m.IsAlias {
		done, err = s.PublishAlias(m.Alias, body, m.Seq, turn)
	} else {
		done, err = s.Publish(m.Topic, body, m.Seq, turn)
	}
	if err != nil || !m.Has.Has(codec.KeyID) {
		return err
	}
	a := codec.Message{Seq: done.Seq, Has: codec.Fields(0).With(codec.KeySeq)}
	n.alias(s, &a, done.Topic)
	n.ok(p, enc, m, &a, turn)
	return nil
}

// alias tells the peer the number that may stand for the topic from now on.
func (n *native) alias(s *node.Session, a *codec.Message, t *node.Topic) {
	if a.Alias = s.Alias(t); a.Alias > 0 {
		a.IsAlias = true
		a.Has = a.Has.With(codec.KeyTopic)
	}
}

// split publishes each record of a SenML pack to a topic of its own.
func (n *native) split(p node.Peer, enc codec.Encoding, m *codec.Message, turn *node.Turn) *codec.Error {
	base, err := n.topic(p, m)
	if err != nil {
		return err
	}
	parts, perr := codec.Split(enc, m.Data, turn.Wall)
	if perr != nil {
		return codec.AsError(perr)
	}
	if len(parts) > 1 {
		if err := p.Session().Spend(len(parts)-1, 0, turn.Mono); err != nil {
			return err
		}
	}
	var seq uint64
	for _, part := range parts {
		name := append(append(append([]byte(nil), base...), '/'), part.Name...)
		done, err := p.Session().Publish(name, node.Body{Enc: enc, Data: part.Data}, 0, turn)
		if err != nil {
			return err
		}
		seq = done.Seq
	}
	if m.Has.Has(codec.KeyID) {
		n.ok(p, enc, m, &codec.Message{Seq: seq, Has: codec.Fields(0).With(codec.KeySeq)}, turn)
	}
	return nil
}
