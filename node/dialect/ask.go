package dialect

import (
	"math"
	"strconv"

	"topicd/codec"
	"topicd/node"
)

// What asking for readings and topics has in common, whatever it is written in.
// The hub knows a topic by one list, which is shared: callers look through it with
// node.Fits.

// TopicsPerRequest is how many topics are looked up, sorted and told for the
// price of one request.
const TopicsPerRequest = 8

// Subscription is what a peer's options say of a subscription; its Format and
// its Tag are the dialect's.
func Subscription(o *codec.Opts, epoch uint64) (node.SubOptions, *codec.Error) {
	so := node.SubOptions{
		Last: 1, Rate: o.Rate, Latest: o.Latest, NotOwn: o.NotOwn,
		Since: o.Since, HasSince: o.Has&codec.OptSince != 0, Ep: o.Ep,
	}
	if o.Rate < 0 || o.Rate > 1000 || math.IsNaN(o.Rate) || o.Has&codec.OptRate != 0 && o.Rate < 1e-3 {
		return so, codec.Errorf(codec.CodeMalformed, "rate is 0.001 to 1000 readings per second")
	}
	if o.Last < 0 {
		return so, errLast
	}
	if o.Has&codec.OptLast != 0 {
		so.Last = o.Last
	}
	if o.Has&codec.OptAfter != 0 {
		if so.HasSince = true; o.Ep == epoch {
			so.After = max(1, o.After)
		} else if o.Since >= 0 { // a number of one topic, or nothing: the hub has restarted, all is new
			so.Since, so.Ep = 0, 0
		}
	}
	return so, nil
}

var errLast = &codec.Error{Code: codec.CodeMalformed, Msg: "last is a number of readings, 0 or more"}

// AppendSubscribed appends what a subscription found, as an object.
func AppendSubscribed(b []byte, done *node.Subscribed) []byte {
	b = strconv.AppendInt(append(b, `{"topics":`...), int64(done.Topics), 10)
	b = strconv.AppendUint(append(b, `,"from":`...), done.From, 10)
	b = strconv.AppendUint(append(b, `,"gap":`...), done.Gap, 10)
	return append(b, '}')
}

// Readable are topics that a peer asks to read, those that fit the pattern among
// them. It completes o: without last and since the newest reading is meant.
func Readable(s *node.Session, pattern []byte, o *codec.Opts, turn *node.Turn) ([]*node.Topic, *codec.Error) {
	if err := codec.CheckPattern(pattern); err != nil {
		return nil, err
	}
	if err := s.MaySubscribe(pattern); err != nil {
		return nil, err
	}
	if o.Last < 0 {
		return nil, errLast
	}
	if o.Has&(codec.OptLast|codec.OptSince) == 0 {
		o.Last = 1
	}
	ts := listed(s, string(pattern), turn)
	if s.Hub().Find(pattern) == nil && !codec.HasWildcard(string(pattern)) {
		return nil, codec.Errorf(codec.CodeNotFound, "no topic %q", pattern)
	}
	return ts, nil
}

// Listable are topics that a peer asks for a list of, those that fit match among
// them; "" fits all.
func Listable(s *node.Session, match string, turn *node.Turn) ([]*node.Topic, *codec.Error) {
	if err := s.MayList(); err != nil {
		return nil, err
	}
	if match != "" {
		if err := codec.CheckPattern([]byte(match)); err != nil {
			return nil, err
		}
	}
	return listed(s, match, turn), nil
}

func listed(s *node.Session, pattern string, turn *node.Turn) []*node.Topic {
	h := s.Hub()
	h.ShowAll(pattern, turn)
	ts := h.Listed(pattern)
	s.Charge(len(ts) / TopicsPerRequest)
	return ts
}

// AppendListed appends the row of one of those, or nothing where it does not fit
// or must not be seen.
func AppendListed(b []byte, h *node.Hub, t *node.Topic, match string, r node.Rights, mono int64) []byte {
	if !node.Fits(match, t) || r != nil && !r.MayRead(t.Name()) {
		return b
	}
	i := h.Info(t, mono)
	return i.AppendJSON(b)
}
