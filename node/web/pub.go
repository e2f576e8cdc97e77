package web

import (
	"maps"
	"net/http"
	"slices"
	"unicode/utf8"

	"topicd/codec"
	"topicd/node"
	"topicd/node/web/answer"
)

// servePub takes readings for one topic: POST /api/pub/<topic>. The parameter
// retain is accepted and says nothing new: every topic keeps its newest reading.
func (s *server) servePub(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		topic := []byte(r.PathValue("topic"))
		if err := mayPublish(sess, topic); err != nil {
			return err
		}
		kind, err := answer.KindOf(w, r)
		if err != nil {
			return err
		}
		p := s.publisher(w, sess)
		defer p.turn.Wake()
		if kind == answer.Lines {
			return s.finish(w, r, p, p.batch(r.Body, topic))
		}
		data, err := answer.Of(w).ReadBody(r, kind)
		if err != nil {
			return err
		}
		body, err := bodyOf(kind, data)
		if err != nil {
			s.Hub.Stats.Add(node.RefusedMalformed, 1)
			return err
		}
		if kind == answer.SenMLJSON || kind == answer.SenMLCBOR {
			return s.finish(w, r, p, p.split(topic, body))
		}
		done, err := p.publish(topic, body, len(data))
		if err == nil {
			err = p.settle(r.Context().Done())
		}
		if err != nil {
			return err
		}
		answer.JSON(w, http.StatusOK, published{done.Topic.Name(), done.Seq})
		return nil
	})
}

// servePubMany takes readings for many topics: POST /api/pub, lines of
// {"topic","data"}, or one such object or an array of them as JSON or CBOR.
func (s *server) servePubMany(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		kind, err := answer.KindOf(w, r)
		if err != nil {
			return err
		}
		p := s.publisher(w, sess)
		defer p.turn.Wake()
		switch kind {
		case answer.Lines, answer.Guess: // guess: curl -d, and a client that said nothing
			return s.finish(w, r, p, p.batch(r.Body, nil))
		case answer.AsJSON, answer.AsCBOR:
			data, err := answer.Of(w).ReadBody(r, kind)
			if err != nil {
				return err
			}
			return s.finish(w, r, p, p.frame(kind.Enc(), data))
		}
		return errMany
	})
}

var errMany = &codec.Error{Code: http.StatusUnsupportedMediaType, Msg: `POST /api/pub takes application/x-ndjson, application/json or application/cbor of {"topic","data"}; other types need the topic in the path`}

func (s *server) publisher(w http.ResponseWriter, sess *node.Session) *publisher {
	return &publisher{
		hub: s.Hub, sess: sess, turn: s.Hub.Turn(), topics: map[string]bool{},
		hold: answer.Of(w).Hold,
	}
}

// published is the answer to one reading.
type published struct {
	Topic string `json:"topic"`
	Seq   uint64 `json:"seq"`
}

// finish answers a request of many readings. What was taken before a refusal
// is published: the answer says how many.
func (s *server) finish(w http.ResponseWriter, r *http.Request, p *publisher, err *codec.Error) *codec.Error {
	if err == nil {
		err = p.settle(r.Context().Done())
	}
	if err != nil {
		if err.Code == codec.CodeMalformed {
			s.Hub.Stats.Add(node.RefusedMalformed, 1)
		}
		answer.ErrorWith(w, err, map[string]any{"published": p.n})
		return nil
	}
	names := slices.AppendSeq([]string{}, maps.Keys(p.topics))
	slices.Sort(names)
	answer.JSON(w, http.StatusOK, map[string]any{"published": p.n, "topics": names})
	return nil
}

// mayPublish refuses before the body is read what would be refused after it.
func mayPublish(sess *node.Session, topic []byte) *codec.Error {
	if err := codec.CheckTopic(topic); err != nil {
		return err
	}
	return sess.MayPublish(topic)
}

// bodyOf makes a reading's body of what a request brought.
func bodyOf(k answer.Kind, data []byte) (node.Body, *codec.Error) {
	enc := k.Enc()
	if k != answer.Text {
		err := codec.Validate(enc, data)
		if err == nil {
			return node.Body{Enc: enc, Data: data}, nil
		}
		if k != answer.Guess || codec.MeantJSON(data) {
			return node.Body{}, codec.AsError(err)
		}
	}
	if !utf8.Valid(data) {
		return node.Body{}, errUTF8
	}
	if k == answer.Guess && len(data) == 0 {
		return node.Body{}, errEmpty
	}
	return node.Body{Enc: codec.JSON, Data: codec.AppendString(nil, codec.JSON, string(data))}, nil
}

var (
	errUTF8  = &codec.Error{Code: codec.CodeMalformed, Msg: "the text is not UTF-8; CBOR needs its Content-Type: application/cbor"}
	errEmpty = &codec.Error{Code: codec.CodeMalformed, Msg: "the body is empty"}
)
