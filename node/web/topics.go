package web

import (
	"net/http"
	"slices"
	"strconv"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/web/answer"
)

// serveTopics lists topics: GET /api/topics?match=PATTERN&data=1.
func (s *server) serveTopics(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		if err := sess.MayList(); err != nil {
			return err
		}
		match := pattern(r.URL.Query().Get("match"))
		if match != "" {
			if err := checkPattern(match); err != nil {
				return err
			}
		}
		data, err := flag(r.URL.Query(), "data")
		if err != nil {
			return err
		}
		turn := s.Hub.Turn()
		s.Hub.ShowAll(match, turn)
		turn.Wake()
		l := answer.NewList(w, []byte("{}"), "topics")
		var row, raw []byte
		for _, t := range s.Hub.Topics(match) {
			if !sess.MayRead(t.Name()) {
				continue
			}
			row = appendTopic(row[:0], s.Hub.Info(t, turn.Mono))
			if !s.topicRow(l, t, row, data, &raw) {
				return nil
			}
		}
		l.End()
		return nil
	})
}

// topicRow writes a topic, with its newest reading where that is wanted.
func (s *server) topicRow(l *answer.List, t *node.Topic, row []byte, data bool, raw *[]byte) bool {
	if !data {
		return l.Row(row, nil, 0)
	}
	found, more := false, true
	from, to := s.Hub.Span(t, 1, false, 0, 0)
	s.Hub.Read(t, from, to, raw, func(g *node.Reading) bool {
		found = true
		if len(g.From) > 0 {
			row = append(codec.AppendString(append(row[:len(row)-1], `,"from":`...), codec.JSON, string(g.From)), '}')
		}
		more = l.Row(row, g.Data, g.Enc())
		return false
	})
	if !found {
		return l.Row(row, nil, 0)
	}
	return more
}

func appendTopic(b []byte, t node.TopicInfo) []byte {
	b = t.AppendJSON(b)
	b = strconv.AppendUint(append(b[:len(b)-1], `,"ep":`...), t.Epoch, 10)
	return append(b, '}')
}

// serveReadings answers stored readings: GET /api/topics/<topic>?last=&since=&ep=&step=.
func (s *server) serveReadings(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		name := []byte(r.PathValue("topic"))
		if err := codec.CheckTopic(name); err != nil {
			return err
		}
		if err := sess.MaySubscribe(name); err != nil {
			return err
		}
		q, err := parseQuery(r.URL.Query())
		if err != nil {
			return err
		}
		turn := s.Hub.Turn()
		s.Hub.ShowAll(string(name), turn)
		turn.Wake()
		t := s.Hub.Find(name)
		if t == nil {
			return codec.Errorf(codec.CodeNotFound, "no topic %q", name)
		}
		if q.Has&codec.OptStep != 0 {
			return s.serveSteps(w, r, t, &q)
		}
		ep := s.Hub.Info(t, turn.Mono).Epoch
		from, to, gap := s.span(t, &q, ep, turn.Mono)
		head := codec.AppendString([]byte(`{"topic":`), codec.JSON, t.Name())
		head = strconv.AppendUint(append(head, `,"ep":`...), ep, 10)
		head = strconv.AppendUint(append(head, `,"gap":`...), gap, 10)
		l := answer.NewList(w, append(head, '}'), "readings")
		var row, raw []byte
		s.Hub.Read(t, from, to, &raw, func(g *node.Reading) bool {
			row = appendReading(row[:0], g)
			return l.Row(row, g.Data, g.Enc())
		})
		l.End()
		return nil
	})
}

// span is the numbers of the readings that are asked for, and how many of them
// are gone. Numbers of another epoch say nothing: then all that is stored is meant.
func (s *server) span(t *node.Topic, q *query, ep uint64, now int64) (from, to, gap uint64) {
	last, hasSince := q.Last, q.Has&codec.OptSince != 0
	switch {
	case q.Has&codec.OptLast != 0 && last == 0:
		_, to = s.Hub.Span(t, 0, false, 0, now)
		return to, to, 0
	case last == 0 && !hasSince:
		last = 1
	}
	since := hasSince && (q.Since < 0 || q.Ep == 0 || q.Ep == ep)
	if first, _ := s.Hub.Span(t, 0, since, q.Since, now); since && q.Since >= 0 && first > uint64(q.Since)+1 {
		gap = first - uint64(q.Since) - 1
	}
	if since && q.Since >= 0 {
		gap += t.Hole(uint64(q.Since))
	}
	from, to = s.Hub.Span(t, last, since, q.Since, now)
	return from, to, gap
}

// appendReading appends a reading of a known topic without its data.
func appendReading(b []byte, g *node.Reading) []byte {
	b = strconv.AppendUint(append(b, `{"seq":`...), g.Seq, 10)
	b = strconv.AppendInt(append(b, `,"ts":`...), g.TS, 10)
	if len(g.From) > 0 {
		b = codec.AppendString(append(b, `,"from":`...), codec.JSON, string(g.From))
	}
	return append(b, '}')
}

// serveMake makes a topic or changes it: PUT /api/topics/<topic> {static,cap,stale,durable,writable,min,max}.
func (s *server) serveMake(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		name, err := mayManage(sess, r)
		if err != nil {
			return err
		}
		o, err := s.makeOptions(w, r)
		if err != nil {
			return err
		}
		old := s.Hub.Find(name)
		if old != nil && o.Has&codec.OptStatic != 0 && !o.Static && s.Hub.Info(old, 0).Static {
			return codec.Errorf(codec.CodeConflict, "%s is static: DELETE it to make it dynamic", name)
		}
		t, born, err := sess.Make(name, dialect.Make(&o), s.Hub.Turn())
		if err != nil {
			return err
		}
		status := http.StatusOK
		if born {
			status = http.StatusCreated
		}
		row := appendTopic(nil, s.Hub.Info(t, s.Hub.Mono()))
		if (o.Static || o.Durable || o.Writable) && s.Kept != nil && !s.Kept() { // it is there, but a restart would forget it
			row = append(row[:len(row)-1], `,"kept":false}`...)
		}
		answer.Raw(w, status, row)
		return nil
	})
}

// makeOptions are what the body says of a topic; none is fine.
func (s *server) makeOptions(w http.ResponseWriter, r *http.Request) (o codec.Opts, bad *codec.Error) {
	enc, data, bad := answer.Of(w).ReadObject(r)
	if bad != nil || len(data) == 0 {
		return o, bad
	}
	if err := codec.Validate(enc, data); err != nil {
		return o, codec.AsError(err)
	}
	if err := codec.ParseOpts(enc, data, &o); err != nil {
		return o, codec.AsError(err)
	}
	if enc == codec.JSON {
		if err := answer.Strictly(data, new(struct{ Static, Cap, Stale, Durable, Writable, Min, Max any })); err != nil {
			return o, err
		}
	}
	return o, nil
}

// serveDelete ends a topic and its readings: DELETE /api/topics/<topic>.
func (s *server) serveDelete(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		name, err := mayManage(sess, r)
		if err != nil {
			return err
		}
		turn := s.Hub.Turn()
		defer turn.Wake()
		if err := s.Hub.Delete(name, sess, turn); err != nil {
			return err
		}
		answer.JSON(w, http.StatusOK, map[string]string{"topic": string(name)})
		return nil
	})
}

func mayManage(sess *node.Session, r *http.Request) ([]byte, *codec.Error) {
	name := []byte(r.PathValue("topic"))
	if err := codec.CheckTopic(name); err != nil {
		return nil, err
	}
	return name, sess.MayManage(name)
}

// found are the topics that fit the patterns and that the session may read,
// each once, by name. Every topic is looked at once, however many patterns of
// the whole hub somebody writes.
func (s *server) found(sess *node.Session, patterns []string) ([]*node.Topic, *codec.Error) {
	turn := s.Hub.Turn()
	defer turn.Wake()
	for _, p := range patterns {
		if err := sess.MaySubscribe([]byte(p)); err != nil {
			return nil, err
		}
		s.Hub.ShowAll(p, turn)
	}
	if len(patterns) == 1 {
		return s.Hub.Topics(patterns[0]), nil
	}
	fits := func(t *node.Topic) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return codec.Match(p, t.Name()) })
	}
	ts := slices.DeleteFunc(s.Hub.Topics(""), func(t *node.Topic) bool { return !fits(t) })
	if slices.ContainsFunc(patterns, func(p string) bool { return p[0] == '$' }) {
		ts = append(ts, slices.DeleteFunc(s.Hub.Topics("$sys/#"), func(t *node.Topic) bool { return !fits(t) })...)
	}
	return ts, nil
}
