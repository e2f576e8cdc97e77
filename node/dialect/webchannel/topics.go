package webchannel

import (
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
	so, bad := dialect.Subscription(o, p.peer.Session().Hub().Epoch())
	if bad != nil {
		return nil, bad
	}
	view := node.SubOptions{Rate: so.Rate, Latest: so.Latest, NotOwn: so.NotOwn}
	bits := uint8(toTopics)
	tuned := -1
	for i, sp := range special {
		if sp.topic == pattern {
			bits |= p.wants & sp.bits
			tuned = i
		}
	}
	so.Format = p.srv.heard[bits]
	if bits != toTopics { // the signal has brought the stored lines already: they are sent again only if it asks for them
		so.Once = true
		if o.Has&codec.OptLast == 0 {
			so.Last = 0
		}
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
	return dialect.AppendSubscribed(nil, &done), nil
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
	if !named { // else tune does it
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
	ts, err := dialect.Readable(p.peer.Session(), []byte(pattern), o, turn)
	if err != nil {
		return nil, err
	}
	h := p.srv.hub
	b := []byte(`{"readings":[`)
	begin := len(b)
	more := false
	var raw []byte
	for _, t := range ts {
		if !node.Fits(pattern, t) {
			continue
		}
		from, to := h.SpanHeld(t, o.Last, o.Has&codec.OptSince != 0, o.Since, turn.Mono)
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
	sess := p.peer.Session()
	ts, err := dialect.Listable(sess, match, turn)
	if err != nil {
		return nil, err
	}
	b := []byte(`{"topics":[`)
	begin, more := len(b), false
	for _, t := range ts {
		at := len(b)
		if at > begin {
			b = append(b, ',')
		}
		row := len(b)
		if b = dialect.AppendListed(b, p.srv.hub, t, match, sess.Rights(), turn.Mono); len(b) == row {
			b = b[:at]
			continue
		}
		if more = at > maxAnswer; more {
			b = b[:at]
			break
		}
	}
	b = strconv.AppendBool(append(b, `],"more":`...), more)
	return append(b, '}'), nil
}
