package web

import (
	"net/http"
	"strconv"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/web/answer"
)

// parseStep reads step=60000 or step=1m: milliseconds, or a time of s, m, h and d.
func parseStep(text string) (int64, *codec.Error) {
	d, err := codec.Span(text, time.Millisecond)
	n := d.Milliseconds()
	if err != nil || n < 1 || n > node.MaxStep {
		return 0, codec.Errorf(codec.CodeMalformed, "step=%s: that is 1 ms to 366 days, in milliseconds or as 10s, 1m, 1h, 1d", text)
	}
	return n, nil
}

// serveSteps answers the buckets of a topic: GET /api/topics/<topic>?step=&since=&last=.
func (s *server) serveSteps(w http.ResponseWriter, r *http.Request, t *node.Topic, q *query) *codec.Error {
	now := s.Hub.Mono()
	since, err := node.StepsSince(&q.Opts, now)
	if err != nil {
		return err
	}
	head := codec.AppendString([]byte(`{"topic":`), codec.JSON, t.Name())
	head = strconv.AppendUint(append(head, `,"ep":`...), s.Hub.Info(t, now).Epoch, 10)
	st := s.Hub.Steps(t, q.Step, since)
	head = strconv.AppendInt(append(head, `,"step":`...), st.Step(), 10)
	l := answer.NewList(w, append(head, '}'), "buckets")
	var row []byte
	more := true
	for done := false; !done && more && r.Context().Err() == nil; {
		done = st.Next(func(b *node.Bucket) bool {
			row = b.AppendJSON(row[:0])
			more = l.Row(row, nil, 0)
			return more
		})
	}
	l.End()
	return nil
}

// exportSteps writes the buckets of the topics piece by piece.
func (s *server) exportSteps(w http.ResponseWriter, r *http.Request, b []byte, sess *node.Session, ts []*node.Topic, q *query, form *sheet) *codec.Error {
	since, bad := node.StepsSince(&q.Opts, s.Hub.Mono())
	if bad != nil {
		return bad
	}
	var err error
	for _, t := range ts {
		if !sess.MayRead(t.Name()) {
			break
		}
		st := s.Hub.Steps(t, q.Step, since)
		for done := false; !done && err == nil && r.Context().Err() == nil; {
			done = st.Next(func(k *node.Bucket) bool {
				if form != nil {
					b = form.bucket(b, t.Name(), k)
				} else {
					b = append(k.AppendRow(b, t.Name()), '\n')
				}
				if len(b) >= answer.Chunk && err == nil {
					b, err = answer.Send(w, b)
				}
				return err == nil
			})
		}
	}
	if err == nil {
		_, _ = w.Write(b)
	}
	return nil
}

// bucket is a line of CSV of what one step of time was.
func (f *sheet) bucket(b []byte, topic string, k *node.Bucket) []byte {
	b = time.UnixMilli(k.TS).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = strconv.AppendInt(append(b, f.sep), k.TS, 10)
	b = f.cell(append(b, f.sep), topic)
	b = f.cell(append(b, f.sep), string(k.Field))
	for _, v := range []float64{k.Min, k.Mean, k.Max} {
		b = f.number(append(b, f.sep), strconv.FormatFloat(v, 'g', -1, 64))
	}
	b = strconv.AppendInt(append(b, f.sep), k.N, 10)
	return append(b, "\r\n"...)
}
