package webchannel

import (
	"math"
	"strconv"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
)

// sub is what a page subscribed to through topics.
type sub struct {
	pattern string
	view    node.SubOptions // how it is read once the stored readings are through
}

// special are the topics whose readings are signals of other objects too.
var special = [...]struct {
	topic string
	bits  uint8
}{{chatTopic, toChat}, {dialogTopic, toCore | toDialog}}

// maxAnswer is where the answer to get or list ends; one large reading may make
// it longer. The rest is asked for with a narrower pattern or since.
const maxAnswer = 48 << 10

var errString = &codec.Error{Code: codec.CodeMalformed, Msg: "the first argument is a topic or pattern: a string"}

// topics calls a method of topics. Every result is an object; one that failed
// has the member error.
func (p *page) topics(method int, args [][]byte, turn *node.Turn) []byte {
	name := ""
	if len(args) > 0 {
		if args[0][0] != '"' {
			return failure(errString)
		}
		name = text(args[0])
	}
	var o codec.Opts
	if method == subscribeWith || method == getWith {
		if err := codec.ParseOpts(codec.JSON, args[1], &o); err != nil {
			return failure(codec.AsError(err))
		}
	}
	value, err := []byte(nil), (*codec.Error)(nil)
	switch method {
	case publish:
		value, err = p.pub(name, args[1], turn)
	case subscribe, subscribeWith:
		value, err = p.sub(name, &o, turn)
	case unsubscribe:
		value, err = p.unsub(name, turn)
	case get, getWith:
		value, err = p.get(name, &o, turn)
	case list, listMatch:
		value, err = p.list(name, turn)
	}
	if err != nil {
		return failure(err)
	}
	return value
}

// pub: {"topic","seq"}.
func (p *page) pub(topic string, data []byte, turn *node.Turn) ([]byte, *codec.Error) {
	if err := codec.Validate(codec.JSON, data); err != nil {
		return nil, codec.AsError(err)
	}
	done, err := p.publish(topic, data, turn)
	if err != nil {
		return nil, err
	}
	b := codec.AppendString([]byte(`{"topic":`), codec.JSON, topic)
	b = strconv.AppendUint(append(b, `,"seq":`...), done.Seq, 10)
	return append(b, '}'), nil
}

// sub: {"topics","from","gap"}, as a native client is answered.
func (p *page) sub(pattern string, o *codec.Opts, turn *node.Turn) ([]byte, *codec.Error) {
	if o.Rate < 0 || o.Rate > 1000 || math.IsNaN(o.Rate) || o.Has&codec.OptRate != 0 && o.Rate < 1e-3 {
		return nil, codec.Errorf(codec.CodeMalformed, "rate is 0.001 to 1000 readings per second")
	}
	view := node.SubOptions{Rate: o.Rate, Latest: o.Latest, NotOwn: o.NotOwn}
	so := view
	so.Last, so.Since, so.Ep, so.HasSince = 1, o.Since, o.Ep, o.Has&codec.OptSince != 0
	bits := uint8(toTopics)
	tuned := -1
	for i, sp := range special {
		if sp.topic == pattern {
			bits |= p.wants & sp.bits
			tuned = i
		}
	}
	so.Format = p.srv.heard[bits]
	if bits != toTopics { // a line that it has heard is said again only where it asks for that
		so.Last, so.Once = 0, true
	}
	if o.Has&codec.OptLast != 0 {
		so.Last = o.Last
	}
	done, err := p.peer.Session().Subscribe([]byte(pattern), so, turn)
	if err != nil {
		return nil, err
	}
	if tuned >= 0 {
		p.tuned[tuned] = bits
	}
	if s := p.subTo(pattern); s != nil {
		s.view = view
	} else {
		p.subs = append(p.subs, sub{pattern, view})
	}
	p.tune(turn)
	b := strconv.AppendInt([]byte(`{"topics":`), int64(done.Topics), 10)
	b = strconv.AppendUint(append(b, `,"from":`...), done.From, 10)
	b = strconv.AppendUint(append(b, `,"gap":`...), done.Gap, 10)
	return append(b, '}'), nil
}

func (p *page) subTo(pattern string) *sub {
	for i := range p.subs {
		if p.subs[i].pattern == pattern {
			return &p.subs[i]
		}
	}
	return nil
}

// unsub: {"pattern"}.
func (p *page) unsub(pattern string, turn *node.Turn) ([]byte, *codec.Error) {
	s := p.subTo(pattern)
	if s == nil {
		return nil, codec.Errorf(codec.CodeNotFound, "not subscribed to %q", pattern)
	}
	last := len(p.subs) - 1
	*s = p.subs[last]
	p.subs = p.subs[:last]
	named := false
	for _, sp := range special {
		named = named || sp.topic == pattern
	}
	if !named { // those are tune's
		_ = p.peer.Session().Unsubscribe([]byte(pattern), turn)
	}
	p.tune(turn)
	return append(codec.AppendString([]byte(`{"pattern":`), codec.JSON, pattern), '}'), nil
}

// tune subscribes to the topics of chat and dialog as the page wants to hear
// them: a session gets a reading once, so one subscription has to write it for
// every signal that the page is connected to.
func (p *page) tune(turn *node.Turn) {
	for i, sp := range special {
		exact := p.subTo(sp.topic)
		bits := p.wants & sp.bits
		if bits != 0 || exact != nil {
			for _, s := range p.subs {
				if codec.Match(s.pattern, sp.topic) {
					bits |= toTopics
				}
			}
		}
		if bits == p.tuned[i] {
			continue
		}
		if bits == 0 {
			_ = p.peer.Session().Unsubscribe([]byte(sp.topic), turn)
		} else {
			o := node.SubOptions{}
			if exact != nil {
				o = exact.view
			}
			o.Format, o.Once = p.srv.heard[bits], bits&^toTopics != 0
			if _, err := p.peer.Session().Subscribe([]byte(sp.topic), o, turn); err != nil {
				continue // not allowed: the page just does not hear it, there is no answer to a connect
			}
		}
		p.tuned[i] = bits
	}
}

// get: {"readings":[{topic,seq,ts,data,from}],"more"}, oldest first of each topic.
func (p *page) get(pattern string, o *codec.Opts, turn *node.Turn) ([]byte, *codec.Error) {
	if err := codec.CheckPattern([]byte(pattern)); err != nil {
		return nil, err
	}
	if err := p.peer.Session().MaySubscribe([]byte(pattern)); err != nil {
		return nil, err
	}
	h := p.srv.hub
	h.ShowAll(pattern, turn)
	ts := h.Topics(pattern)
	if len(ts) == 0 && !codec.HasWildcard(pattern) {
		return nil, codec.Errorf(codec.CodeNotFound, "no topic %q", pattern)
	}
	p.peer.Session().Charge(len(ts) / dialect.TopicsPerRequest)
	hasSince := o.Has&codec.OptSince != 0
	last := o.Last
	if o.Has&(codec.OptLast|codec.OptSince) == 0 {
		last = 1
	}
	b := []byte(`{"readings":[`)
	begin := len(b)
	more := false
	var raw []byte
	for _, t := range ts {
		from, to := h.Span(t, last, hasSince, o.Since, turn.Mono)
		from = h.Read(t, from, to, &raw, func(r *node.Reading) bool {
			if len(b) > begin && len(b)+len(r.Data) > maxAnswer {
				return false
			}
			if len(b) > begin {
				b = append(b, ',')
			}
			b = codec.AppendRow(b, codec.JSON, r.Topic, r.Seq, r.TS, r.From, appendData(nil, r), codec.JSON)
			return true
		})
		if more = from < to; more {
			break
		}
	}
	b = strconv.AppendBool(append(b, `],"more":`...), more)
	return append(b, '}'), nil
}

// list: {"topics":[{topic,static,seq,ts,readings,bytes,cap,subscribers,stale}],"more"}.
func (p *page) list(match string, turn *node.Turn) ([]byte, *codec.Error) {
	if match != "" {
		if err := codec.CheckPattern([]byte(match)); err != nil {
			return nil, err
		}
	}
	h := p.srv.hub
	h.ShowAll(match, turn)
	b := []byte(`{"topics":[`)
	begin := len(b)
	more := false
	ts := h.Topics(match)
	p.peer.Session().Charge(len(ts) / dialect.TopicsPerRequest)
	for _, t := range ts {
		if !p.peer.Session().MayRead(t.Name()) {
			continue
		}
		if more = len(b) > maxAnswer; more {
			break
		}
		if len(b) > begin {
			b = append(b, ',')
		}
		i := h.Info(t, turn.Mono)
		b = i.AppendJSON(b)
	}
	b = strconv.AppendBool(append(b, `],"more":`...), more)
	return append(b, '}'), nil
}
