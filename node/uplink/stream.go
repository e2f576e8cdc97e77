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

// ask asks JetStream's API.
func ask(ctx context.Context, nc *wire.Conn, inbox, api string, body []byte) (*wire.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	m, err := nc.Request(ctx, inbox, apiPrefix+api, body)
	switch {
	case errors.Is(err, wire.ErrNobody):
		return nil, refused("no JetStream answers at %s%s: it is not enabled there, or has no leader now", apiPrefix, api)
	case errors.Is(err, wire.ErrNoAnswer):
		return nil, fmt.Errorf("%s%s was not answered within %v", apiPrefix, api, apiTimeout)
	}
	return m, err
}

// call asks for an answer in JSON.
func call(ctx context.Context, nc *wire.Conn, inbox, api string, body, answer any) error {
	var data []byte
	if body != nil {
		data, _ = json.Marshal(body)
	}
	m, err := ask(ctx, nc, inbox, api, data)
	if err != nil {
		return err
	}
	var e struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return refused("%s%s was answered with no JSON", apiPrefix, api)
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
		Direct   bool     `json:"allow_direct"`
	} `json:"config"`
	Created string `json:"created"`
	State   struct {
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

// parseLast reads the answer of either API that tells messages.
func parseLast(a *wire.Msg) (m lastMessage, err error) {
	switch code, words := a.Status(); {
	case code == "404":
		return m, nil
	case code != "":
		return m, &apiError{Description: words}
	}
	head := a.Head
	if len(head) == 0 {
		var in storedMessage
		if err := json.Unmarshal(a.Data, &in); err != nil {
			return m, &apiError{Description: "an answer without JSON"}
		}
		if in.Error != nil {
			if in.Error.ErrCode == errNoMessage {
				return m, nil
			}
			return m, in.Error
		}
		head, m.seq = in.Message.Hdrs, in.Message.Seq
	}
	for key, v := range wire.EachHeader(head) {
		switch key {
		case "Nats-Sequence":
			m.seq = number(v)
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
	}
	if m.low == 0 {
		m.low = m.pos + 1 // nothing else was under way
	}
	return m, nil
}

// getLast asks for the last message of a subject, wildcards allowed.
func (l *link) getLast(ctx context.Context, subject string) (lastMessage, error) {
	api, body := l.lastOf(subject)
	return l.message(ctx, api, body)
}

// getSeq asks for the message with that sequence.
func (l *link) getSeq(ctx context.Context, seq uint64) (lastMessage, error) {
	return l.message(ctx, "STREAM.MSG.GET."+l.stream, fmt.Appendf(nil, `{"seq":%d}`, seq))
}

// lastOf is how a subject's last message is asked for. Where the stream allows it the
// subject is part of the API's: a site then needs the right to ask for its own alone.
// That may be answered by a server that is behind; the condition under which readings
// are published makes that harmless.
func (l *link) lastOf(subject string) (api string, body []byte) {
	if l.direct {
		return "DIRECT.GET." + l.stream + "." + subject, nil
	}
	body, _ = json.Marshal(map[string]string{"last_by_subj": subject})
	return "STREAM.MSG.GET." + l.stream, body
}

func (l *link) message(ctx context.Context, api string, body []byte) (m lastMessage, err error) {
	a, err := ask(ctx, l.nc, l.inbox, api, body)
	if err != nil {
		return m, err
	}
	if m, err = parseLast(a); err != nil {
		return m, said("the last message of the site", err)
	}
	return m, nil
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
