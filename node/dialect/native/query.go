package native

import (
	"sync/atomic"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
)

// pageSize is where a page of a long answer ends; one large reading may make
// it longer.
const pageSize = 16 << 10

// pages makes the oks of one request at the peer's pace: all but the last say
// more.
type pages struct {
	enc    codec.Encoding
	id     uint64
	hasID  bool
	source source
	items  []byte
	frame  []byte

	// A page that has to be read from the disk is made by another goroutine.
	sess *node.Session
	busy atomic.Bool // it is being made
	made bool
	n    int
	done bool
}

// source appends items until page is full. It reports how many it appended and
// whether there are no more.
type source interface {
	fill(items []byte, enc codec.Encoding) (out []byte, n int, done bool)
}

// Step implements node.Task: one page.
func (g *pages) Step(dst []byte, _ int, f node.Framer) ([]byte, bool) {
	if g.busy.Load() || g.await() {
		return dst, false
	}
	if !g.made {
		g.make()
	}
	g.made = false
	items, n, done := g.items, g.n, g.done
	m := codec.Message{Op: codec.OpOK, ID: g.id, Enc: g.enc, Has: codec.Fields(0).With(codec.KeyData)}
	m.Data = codec.AppendList(g.frame[:0], g.enc, n, items)
	g.frame = m.Data
	if g.hasID {
		m.Has = m.Has.With(codec.KeyID)
	}
	if !done {
		m.Opts = codec.AppendOpts(nil, g.enc, &codec.Opts{Has: codec.OptMore, More: true})
		m.Has = m.Has.With(codec.KeyOpts)
	}
	if cap(items) > 2*pageSize { // of large readings: not kept while the peer does not read
		g.items, g.frame = nil, nil
	}
	at := len(dst)
	return f.End(codec.Append(f.Begin(dst), g.enc, &m), at, g.enc == codec.JSON), done
}

func (g *pages) make() { g.items, g.n, g.done = g.source.fill(g.items[:0], g.enc) }

// await has the next page made in the background, where that waits for the disk.
func (g *pages) await() bool {
	r, ok := g.source.(history)
	if !ok || g.made || !r.onDisk() {
		return false
	}
	g.busy.Store(true)
	r.behind(true)
	g.sess.Background(func() {
		g.make()
		r.behind(false)
		g.made = true
		g.busy.Store(false)
	})
	return true
}

func (n *native) inPages(p node.Peer, enc codec.Encoding, m *codec.Message, s source, turn *node.Turn) *codec.Error {
	return p.Session().Enqueue(&pages{enc: enc, id: m.ID, hasID: m.Has.Has(codec.KeyID), source: s, sess: p.Session()}, turn)
}

func (n *native) get(p node.Peer, enc codec.Encoding, m *codec.Message, o *codec.Opts, turn *node.Turn) *codec.Error {
	topic, err := n.topic(p, m)
	if err != nil {
		return err
	}
	ts, err := dialect.Readable(p.Session(), topic, o, turn)
	if err != nil {
		return err
	}
	r := &readings{hub: n.cfg.Hub, topics: ts, pattern: string(topic), opts: *o, now: turn.Mono}
	r.skip()
	if o.Has&codec.OptStep != 0 {
		since, err := node.StepsSince(o, turn.Mono)
		if err != nil {
			return err
		}
		return n.inPages(p, enc, m, &buckets{readings: r, since: since}, turn)
	}
	return n.inPages(p, enc, m, r, turn)
}

// history is a source that may have to wait for the disk; behind tells that it may now.
type history interface {
	onDisk() bool
	behind(background bool)
}

func (r *readings) onDisk() bool           { return len(r.topics) > 0 && r.topics[0].OnDisk() }
func (r *readings) behind(background bool) { r.background = background }

// buckets are the history that a get with step asks for, topic by topic.
type buckets struct {
	*readings
	since int64
	steps *node.Steps // of topics[0]
	row   []byte
}

func (s *buckets) fill(items []byte, enc codec.Encoding) ([]byte, int, bool) {
	n := 0
	for len(s.topics) > 0 {
		t := s.topics[0]
		if !s.background && t.OnDisk() {
			return items, n, false // the next page is made elsewhere
		}
		if s.steps == nil {
			s.steps = s.hub.Steps(t, s.opts.Step, s.since)
		}
		done := s.steps.Next(func(b *node.Bucket) bool {
			s.row = b.AppendRow(s.row[:0], t.Name())
			if enc == codec.JSON {
				items = append(append(items, s.row...), ',')
			} else {
				items, _ = codec.Transcode(items, codec.CBOR, codec.JSON, s.row)
			}
			n++
			return len(items) < pageSize
		})
		if !done {
			return items, n, false
		}
		s.topics, s.steps = s.topics[1:], nil
		s.skip()
	}
	return items, n, true
}

// readings are the stored readings that a get asks for, topic by topic.
type readings struct {
	hub      *node.Hub
	topics   []*node.Topic // those that fit the pattern, and others
	pattern  string
	opts     codec.Opts
	now      int64
	raw      []byte
	from, to uint64
	begun    bool

	background bool // it may wait for the disk
}

func (r *readings) fill(items []byte, enc codec.Encoding) ([]byte, int, bool) {
	defer func() {
		if cap(r.raw) > 2*pageSize {
			r.raw = nil
		}
	}()
	n := 0
	for len(r.topics) > 0 {
		t := r.topics[0]
		if !r.background && t.OnDisk() {
			return items, n, false // the next page is made elsewhere
		}
		if !r.begun {
			r.from, r.to = r.hub.Span(t, r.opts.Last, r.opts.Has&codec.OptSince != 0, r.opts.Since, r.now)
			r.begun = true
		}
		r.from = r.hub.Read(t, r.from, r.to, &r.raw, func(g *node.Reading) bool {
			if len(items) >= pageSize || n > 0 && len(items)+len(g.Data) > 2*pageSize {
				return false
			}
			items = codec.AppendRow(items, enc, g.Topic, g.Seq, g.TS, g.From, g.Data, g.Enc())
			if enc == codec.JSON {
				items = append(items, ',')
			}
			n++
			return true
		})
		if r.from < r.to {
			return items, n, false
		}
		r.topics, r.begun = r.topics[1:], false
		r.skip()
	}
	return items, n, true
}

// skip goes on to the next topic that fits.
func (r *readings) skip() {
	for len(r.topics) > 0 && !node.Fits(r.pattern, r.topics[0]) {
		r.topics = r.topics[1:]
	}
}

func (n *native) list(p node.Peer, enc codec.Encoding, m *codec.Message, o *codec.Opts, turn *node.Turn) *codec.Error {
	var s rows
	switch o.What {
	case "", "topics":
		ts, err := dialect.Listable(p.Session(), o.Match, turn)
		if err != nil {
			return err
		}
		hub, now, match, rights := n.cfg.Hub, turn.Mono, o.Match, p.Session().Rights()
		s = rows{n: len(ts), row: func(i int, b []byte) []byte { return dialect.AppendListed(b, hub, ts[i], match, rights, now) }}
	case "clients":
		if err := p.Session().MaySubscribe([]byte("$sys/presence/#")); err != nil {
			return err
		}
		cs := n.cfg.Hub.Clients()
		p.Session().Charge(len(cs)) // 300 take 0.3 ms: eight peers that asked on and on held up everybody
		s = rows{n: len(cs), row: func(i int, b []byte) []byte { return cs[i].AppendJSON(b) }}
	default:
		return codec.Errorf(codec.CodeMalformed, `what is "topics" or "clients"`)
	}
	return n.inPages(p, enc, m, &s, turn)
}

// rows are the rows of a list; row appends one as JSON, or nothing.
type rows struct {
	n, at int
	row   func(i int, b []byte) []byte
	one   []byte
}

func (r *rows) fill(items []byte, enc codec.Encoding) ([]byte, int, bool) {
	n := 0
	for ; r.at < r.n && len(items) < pageSize; r.at++ {
		row := r.row(r.at, r.one[:0])
		r.one = row
		if len(row) == 0 {
			continue
		}
		if enc == codec.JSON {
			items = append(append(items, row...), ',')
		} else if out, err := codec.Transcode(items, codec.CBOR, codec.JSON, row); err == nil {
			items = out
		}
		n++
	}
	return items, n, r.at == r.n
}
