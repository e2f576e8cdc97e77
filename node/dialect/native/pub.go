package native

import (
	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
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
	return n.stored(p, enc, m, &a, done.Commit, done.Unkept, turn)
}

// stored answers a publish: at once, or when the reading is on disk.
func (n *native) stored(p node.Peer, enc codec.Encoding, req, a *codec.Message, c node.Commit, unkept *codec.Error, turn *node.Turn) *codec.Error {
	if unkept != nil {
		return unkept
	}
	if c == 0 {
		n.ok(p, enc, req, a, turn)
		return nil
	}
	a.Op, a.ID = codec.OpOK, req.ID
	a.Has |= req.Has & codec.Fields(0).With(codec.KeyID)
	return p.Session().Later(c, &stored{enc: enc, has: a.Has, id: a.ID, seq: a.Seq, alias: a.Alias}, turn)
}

// stored is an ok that waits for the disk: a flood has thousands of them wait, so it
// is not a whole message.
type stored struct {
	enc            codec.Encoding
	has            codec.Fields
	id, seq, alias uint64
}

// Append implements node.Answer.
func (s *stored) Append(dst []byte, f node.Framer, why *codec.Error) []byte {
	at := len(dst)
	dst = f.Begin(dst)
	if why != nil {
		dst = codec.AppendErr(dst, s.enc, s.id, s.has.Has(codec.KeyID), why)
	} else {
		dst = codec.Append(dst, s.enc, &codec.Message{Op: codec.OpOK, Has: s.has, ID: s.id, Seq: s.seq, Alias: s.alias, IsAlias: s.alias > 0})
	}
	return f.End(dst, at, s.enc == codec.JSON)
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
	records, err := dialect.Records(enc, base, m.Data, turn.Wall)
	if err == nil && len(records) > 1 {
		err = p.Session().Spend(len(records)-1, 0, turn.Mono)
	}
	if err != nil {
		return err
	}
	var last node.Published
	for _, r := range records {
		done, err := p.Session().Publish(r.Topic, r.Body, 0, turn)
		if err != nil {
			return err
		}
		if done.Unkept == nil {
			done.Unkept = last.Unkept
		}
		done.Commit = max(done.Commit, last.Commit)
		last = done
	}
	if m.Has.Has(codec.KeyID) {
		return n.stored(p, enc, m, &codec.Message{Seq: last.Seq, Has: codec.Fields(0).With(codec.KeySeq)}, last.Commit, last.Unkept, turn)
	}
	return nil
}
