package web

import (
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"topicd/codec"
	"topicd/node"
)

// servePub takes readings for one topic: POST /api/pub/<topic>. The parameter
// retain is accepted and says nothing new: every topic keeps its newest reading.
func (s *server) servePub(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		topic := []byte(r.PathValue("topic"))
		if err := mayPublish(sess, topic); err != nil {
			return err
		}
		kind, err := kindOf(w, r)
		if err != nil {
			return err
		}
		p := s.publisher(w, sess)
		defer p.turn.Wake()
		if kind == lines {
			return s.finish(w, p, p.batch(r.Body, topic))
		}
		data, err := s.body(w, r, kind)
		if err != nil {
			return err
		}
		body, err := bodyOf(kind, data)
		if err != nil {
			s.Hub.Stats.Add(node.RefusedMalformed, 1)
			return err
		}
		if kind == senmlJSON || kind == senmlCBOR {
			return s.finish(w, p, p.split(topic, body))
		}
		done, err := p.publish(topic, body, len(data))
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, published{done.Topic.Name(), done.Seq})
		return nil
	})
}

// servePubMany takes readings for many topics: POST /api/pub, lines of
// {"topic","data"}, or one such object or an array of them as JSON or CBOR.
func (s *server) servePubMany(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		kind, err := kindOf(w, r)
		if err != nil {
			return err
		}
		p := s.publisher(w, sess)
		defer p.turn.Wake()
		switch kind {
		case lines, guess: // guess: curl -d, and a client that said nothing
			return s.finish(w, p, p.batch(r.Body, nil))
		case asJSON, asCBOR:
			data, err := s.body(w, r, kind)
			if err != nil {
				return err
			}
			return s.finish(w, p, p.frame(kind.enc(), data))
		}
		return errMany
	})
}

var errMany = &codec.Error{Code: http.StatusUnsupportedMediaType, Msg: `POST /api/pub takes application/x-ndjson, application/json or application/cbor of {"topic","data"}; other types need the topic in the path`}

func (s *server) publisher(w http.ResponseWriter, sess *node.Session) *publisher {
	return &publisher{
		hub: s.Hub, sess: sess, turn: s.Hub.Turn(), topics: map[string]bool{},
		hold: func(n int64) *codec.Error { return s.hold(w, n) },
	}
}

// published is the answer to one reading.
type published struct {
	Topic string `json:"topic"`
	Seq   uint64 `json:"seq"`
}

// finish answers a request of many readings. What was taken before a refusal
// is published: the answer says how many.
func (s *server) finish(w http.ResponseWriter, p *publisher, err *codec.Error) *codec.Error {
	if err != nil {
		if err.Code == codec.CodeMalformed {
			s.Hub.Stats.Add(node.RefusedMalformed, 1)
		}
		writeErrorWith(w, err, map[string]any{"published": p.n})
		return nil
	}
	names := make([]string, 0, len(p.topics))
	for name := range p.topics {
		names = append(names, name)
	}
	slices.Sort(names)
	writeJSON(w, http.StatusOK, map[string]any{"published": p.n, "topics": names})
	return nil
}

// mayPublish refuses before the body is read what would be refused after it.
func mayPublish(sess *node.Session, topic []byte) *codec.Error {
	if err := codec.CheckTopic(topic); err != nil {
		return err
	}
	if codec.IsReserved(topic) {
		return errReserved
	}
	return sess.MayPublish(topic)
}

var errReserved = &codec.Error{Code: codec.CodeForbidden, Msg: "names that begin with $ are the hub's own"}

// kind is what a request's body is.
type kind int

const (
	guess kind = iota // nobody said, or curl -d did
	asJSON
	asCBOR
	senmlJSON
	senmlCBOR
	text
	lines
)

func (k kind) enc() codec.Encoding {
	if k == asCBOR || k == senmlCBOR {
		return codec.CBOR
	}
	return codec.JSON
}

// plainly refuses a body that is coded, compressed say: it is not what its
// Content-Type says until somebody undoes it (RFC 9110 sections 8.4 and 15.5.16).
func plainly(w http.ResponseWriter, r *http.Request) *codec.Error {
	for _, codings := range r.Header.Values("Content-Encoding") {
		for c := range strings.SplitSeq(codings, ",") {
			if c = strings.TrimSpace(c); c != "" && !strings.EqualFold(c, "identity") {
				w.Header().Set("Accept-Encoding", "identity")
				return codec.Errorf(http.StatusUnsupportedMediaType, "Content-Encoding: %.40s: send the body as it is", c)
			}
		}
	}
	return nil
}

// kindOf reads the Content-Type, and that there is nothing around it.
func kindOf(w http.ResponseWriter, r *http.Request) (kind, *codec.Error) {
	if err := plainly(w, r); err != nil {
		return 0, err
	}
	ct := r.Header.Get("Content-Type")
	if ct == "" {
		return guess, nil
	}
	name, params, err := mime.ParseMediaType(ct)
	if err != nil {
		return 0, codec.Errorf(http.StatusUnsupportedMediaType, "Content-Type cannot be read: %v", err)
	}
	if c := strings.ToLower(params["charset"]); c != "" && c != "utf-8" && c != "us-ascii" {
		return 0, codec.Errorf(http.StatusUnsupportedMediaType, "charset %q: text is UTF-8 here", c)
	}
	switch name {
	case "application/json":
		return asJSON, nil
	case "application/cbor":
		return asCBOR, nil
	case "application/senml+json", "application/sensml+json":
		return senmlJSON, nil
	case "application/senml+cbor", "application/sensml+cbor":
		return senmlCBOR, nil
	case "text/plain":
		return text, nil
	case "application/x-ndjson", "application/jsonl", "application/ndjson":
		return lines, nil
	case "application/x-www-form-urlencoded":
		return guess, nil
	}
	return 0, codec.Errorf(http.StatusUnsupportedMediaType, "%s: send application/json, application/cbor, application/senml+json, application/senml+cbor, text/plain or application/x-ndjson", name)
}

// body reads a body of one reading, without what may stand around it.
func (s *server) body(w http.ResponseWriter, r *http.Request, k kind) ([]byte, *codec.Error) {
	limit := int64(s.Hub.Options().MaxBody)
	if r.ContentLength > limit {
		s.Hub.Stats.Add(node.RefusedLarge, 1)
		return nil, codec.Errorf(codec.CodeTooLarge, "the body has %d bytes, this hub takes %d", r.ContentLength, limit)
	}
	size := r.ContentLength
	if size < 0 {
		size = limit
	}
	if err := s.hold(w, size); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		return codec.Strip(k.enc(), data), nil
	}
	bad := readError(err)
	if bad.Code == codec.CodeTooLarge {
		s.Hub.Stats.Add(node.RefusedLarge, 1)
	}
	return nil, bad
}

// Bodies on their way, all together: who sends them slowly could otherwise have
// the hub hold one of the largest for each connection. Small ones always go.
const (
	maxHeld = 4 << 20
	fewHeld = 4 << 10
)

// hold counts n bytes of a body to the end of the request.
func (s *server) hold(w http.ResponseWriter, n int64) *codec.Error {
	a, ok := w.(*writer)
	if !ok {
		return nil
	}
	a.held += n
	if s.held.Add(n) > max(maxHeld, int64(s.Hub.Options().MaxBody)) && n > fewHeld {
		s.Hub.Stats.Add(node.RefusedRoom, 1)
		return errHeld
	}
	return nil
}

var errHeld = &codec.Error{Code: codec.CodeGoingAway, Msg: "too many large bodies are on their way", Retry: 1000}

// readError is what a body that cannot be read to its end is answered with.
func readError(err error) *codec.Error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return codec.Errorf(codec.CodeTooLarge, "the body has more than %d bytes", large.Limit)
	case isTimeout(err):
		return codec.Errorf(http.StatusRequestTimeout, "the body did not come within %v", bodyTime)
	}
	return codec.Errorf(codec.CodeMalformed, "the body ended early")
}

// bodyOf makes a reading's body of what a request brought.
func bodyOf(k kind, data []byte) (node.Body, *codec.Error) {
	enc := k.enc()
	if k != text {
		err := codec.Validate(enc, data)
		if err == nil {
			return node.Body{Enc: enc, Data: data}, nil
		}
		if k != guess || looksJSON(data) {
			return node.Body{}, codec.AsError(err)
		}
	}
	if !utf8.Valid(data) {
		return node.Body{}, errUTF8
	}
	if k == guess && len(data) == 0 {
		return node.Body{}, errEmpty
	}
	return node.Body{Enc: codec.JSON, Data: codec.AppendString(nil, codec.JSON, string(data))}, nil
}

var (
	errUTF8  = &codec.Error{Code: codec.CodeMalformed, Msg: "the text is not UTF-8; CBOR needs its Content-Type: application/cbor"}
	errEmpty = &codec.Error{Code: codec.CodeMalformed, Msg: "the body is empty"}
)

// looksJSON: it was meant to be an object, an array or a string, so a mistake in
// it is told and not stored as text.
func looksJSON(data []byte) bool {
	return len(data) > 0 && (data[0] == '{' || data[0] == '[' || data[0] == '"')
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
