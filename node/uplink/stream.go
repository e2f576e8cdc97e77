package uplink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"topicd/node/store"
	"topicd/node/uplink/wire"
)

// The parts of JetStream's API that are used, by its subjects (the jetstream package
// of nats.go would add 0.2 MB to the armv6 binary).
const (
	apiPrefix  = "$JS.API."
	apiTimeout = 5 * time.Second
)

// refusal is what a server that was reached says against going on: no outage.
type refusal struct{ words string }

func (r *refusal) Error() string { return r.words }

func refused(format string, a ...any) error { return &refusal{fmt.Sprintf(format, a...)} }

// apiError is how JetStream says that something went wrong.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string { return e.Description }

// Numbers of JetStream's errors.
const (
	errNoMessage   = 10037
	errWrongLast   = 10071 // the condition on the subject's last message failed
	errWrongLastID = 10070 // the one on the stream's last message
	errInProcess   = 10158 // the same id is under way in the cluster
	errLastMoves   = 10164 // the subject is under way in the cluster
	errTooLarge    = 10054 // for the stream's max_msg_size
)

// call asks JetStream's API.
func call(ctx context.Context, nc *wire.Conn, inbox, subject string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	var data []byte
	if body != nil {
		data, _ = json.Marshal(body)
	}
	m, err := nc.Request(ctx, inbox, apiPrefix+subject, data)
	switch {
	case errors.Is(err, wire.ErrNobody):
		return refused("no JetStream answers at %s%s: it is not enabled there, or has no leader now", apiPrefix, subject)
	case errors.Is(err, wire.ErrNoAnswer):
		return fmt.Errorf("%s%s was not answered within %v", apiPrefix, subject, apiTimeout)
	case err != nil:
		return err
	}
	var e struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return refused("%s%s was answered with no JSON", apiPrefix, subject)
	}
	if e.Error != nil {
		return e.Error
	}
	return json.Unmarshal(m.Data, answer)
}

// streamInfo is what is asked of a stream.
type streamInfo struct {
	Config struct {
		Name     string   `json:"name"`
		Subjects []string `json:"subjects"`
	} `json:"config"`
	State struct {
		Messages uint64 `json:"messages"`
		First    uint64 `json:"first_seq"`
		Last     uint64 `json:"last_seq"`
	} `json:"state"`
}

// findStream finds the stream that takes a site's readings: by name, or any.
func findStream(ctx context.Context, nc *wire.Conn, inbox, name, subject string) (*streamInfo, error) {
	if name == "" {
		var list struct {
			Streams []string `json:"streams"`
		}
		if err := call(ctx, nc, inbox, "STREAM.NAMES", map[string]any{"subject": subject}, &list); err != nil {
			return nil, said("looking for a stream", err)
		}
		if len(list.Streams) == 0 {
			return nil, refused("no stream takes %s: add one with `nats stream add`", subject)
		}
		name = list.Streams[0]
	}
	i := new(streamInfo)
	if err := call(ctx, nc, inbox, "STREAM.INFO."+name, nil, i); err != nil {
		return nil, said("stream "+name, err)
	}
	return i, nil
}

// said makes a refusal of what the API says.
func said(what string, err error) error {
	var e *apiError
	if errors.As(err, &e) {
		return refused("%s: %s", what, e.Description)
	}
	return err
}

// lastMessage is what a message that the stream holds says of itself.
type lastMessage struct {
	seq      uint64 // in the stream; 0 = there is none
	store    string
	topic    string
	ep, num  uint64
	pos, low store.Place
}

type storedMessage struct {
	Message struct {
		Subject string `json:"subject"`
		Seq     uint64 `json:"seq"`
		Hdrs    []byte `json:"hdrs"`
	} `json:"message"`
	Error *apiError `json:"error"`
}

// parseLast reads the answer to STREAM.MSG.GET.
func parseLast(data []byte) (m lastMessage, err error) {
	var a storedMessage
	if err := json.Unmarshal(data, &a); err != nil {
		return m, err
	}
	if a.Error != nil {
		if a.Error.ErrCode == errNoMessage {
			return m, nil
		}
		return m, a.Error
	}
	m.seq = a.Message.Seq
	wire.EachHeader(a.Message.Hdrs, func(key, v string) bool {
		switch key {
		case hdrStore:
			m.store = v
		case hdrTopic:
			m.topic = v
		case hdrSeq:
			m.num = number(v)
		case hdrEp:
			m.ep = number(v)
		case hdrPos:
			m.pos = store.Place(number(v))
		case hdrLow:
			m.low = store.Place(number(v))
		}
		return true
	})
	if m.low == 0 {
		m.low = m.pos + 1 // nothing else was under way
	}
	return m, nil
}

// getLast asks for the last message of a subject, wildcards allowed.
func getLast(ctx context.Context, nc *wire.Conn, inbox, stream string, what map[string]any) (lastMessage, error) {
	var raw json.RawMessage
	err := call(ctx, nc, inbox, "STREAM.MSG.GET."+stream, what, &raw)
	var e *apiError
	if errors.As(err, &e) && e.ErrCode == errNoMessage {
		return lastMessage{}, nil
	}
	if err != nil {
		return lastMessage{}, said("the last message of the site", err)
	}
	return parseLast(raw)
}

func number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// ack is what a publish was answered with.
type ack struct {
	seq uint64
	dup bool
	err *apiError
}

// parseAck reads a PubAck: {"stream":"SITES", "seq":5, "duplicate": true}.
func parseAck(m *wire.Msg) ack {
	if len(m.Data) == 0 {
		return ack{err: &apiError{Code: 503, Description: "no stream takes the subject, or it has no leader now"}}
	}
	if seq, ok := quickSeq(m.Data); ok {
		return ack{seq: seq, dup: bytes.Contains(m.Data, []byte(`"duplicate"`))}
	}
	var a struct {
		Seq       uint64    `json:"seq"`
		Duplicate bool      `json:"duplicate"`
		Error     *apiError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &a); err != nil || a.Error == nil && a.Seq == 0 {
		return ack{err: &apiError{Description: "an answer that is no ack"}}
	}
	return ack{a.Seq, a.Duplicate, a.Error}
}

// quickSeq finds the number in an ack without an error.
func quickSeq(b []byte) (seq uint64, ok bool) {
	if bytes.Contains(b, []byte(`"error"`)) {
		return 0, false
	}
	_, b, ok = bytes.Cut(b, []byte(`"seq":`))
	for ; len(b) > 0 && b[0] == ' '; b = b[1:] {
	}
	n := 0
	for ; n < len(b) && n < 19 && b[n] >= '0' && b[n] <= '9'; n++ {
		seq = seq*10 + uint64(b[n]-'0')
	}
	return seq, ok && seq > 0 && n < len(b) && (b[n] == ',' || b[n] == '}' || b[n] == ' ')
}
