// Package scd is SCD-TopicServer's grammar: one request a text frame, one reply
// each.
//
//	SCDTMH:1.0 TAB CMD:topic LF body      TMK TDL TRN TRC TUC TSM
//	[server@notify]:CMD|topic|code|text   the reply
//	[SENDER@topic]:body                   a reading of a topic that was subscribed to
package scd

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
)

// scd is one connection. Topics are the hub's; what the dialect cannot say it
// refuses with the codes and a sentence that its clients show.
type scd struct {
	hub *node.Hub

	// owned by the peer's reader
	bad   uint8 // malformed frames in a row
	ended bool
}

// Plug is the dialect for the hub's endpoints.
func Plug(h *node.Hub) dialect.Plug {
	return dialect.Plug{
		Name: "scd", Title: "SCD", Paths: []string{"/scd"},
		Sniff: func(text bool, first []byte) bool { return text && bytes.HasPrefix(first, []byte("SCDTMH:")) },
		Open:  func(node.Arrival) node.Dialect { return &scd{hub: h} },
	}
}

// Open implements node.Dialect.
func (d *scd) Open(p node.Peer, turn *node.Turn) {
	s := p.Session()
	s.Describe("scd", "text", turn)
	// The original names its clients by address; readings carry it as from.
	if i := s.Info(); !i.Named {
		_ = s.Name(nameOf(i.Addr), turn) // hexadecimal and short: never refused
	}
}

// nameOf is hex(IPv4):hex(port), as the original has it; it has 0 for IPv6.
func nameOf(addr string) string {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return "0:0"
	}
	ip := uint64(0)
	if v4 := a.Addr().Unmap(); v4.Is4() {
		b := v4.As4()
		ip = uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
	}
	return strings.ToUpper(strconv.FormatUint(ip, 16) + ":" + strconv.FormatUint(uint64(a.Port()), 16))
}

// Close implements node.Dialect.
func (d *scd) Close(node.Peer, *node.Turn) {}

// Bye implements node.Dialect: there is no such word; the close frame says it.
func (d *scd) Bye(node.Peer, *codec.Error, *node.Turn) {}

// Frame implements node.Dialect.
func (d *scd) Frame(p node.Peer, text bool, payload []byte, turn *node.Turn) {
	if d.ended {
		return
	}
	over := p.Session().Spend(1, len(payload), turn.Mono)
	q, ok := parse(payload)
	if !text || !ok { // the original says nothing to these
		d.malformed(p, turn)
		return
	}
	d.bad = 0
	err := over
	if err == nil {
		err = q.check()
	}
	var a answer
	if err == nil {
		a, err = d.handle(p, &q, turn)
	}
	if err != nil {
		a = q.refused(err)
	}
	b := appendReply(nil, q.cmd, q.topic, a)
	if a.commit == 0 && !p.Session().Waits() {
		p.Send(true, b, turn)
		return
	}
	late := request{cmd: q.cmd, topic: append([]byte(nil), q.topic...)} // q lies in the reader's buffer
	dialect.Reply(p, true, b, a.commit, func(why *codec.Error) []byte {
		return appendReply(nil, late.cmd, late.topic, late.refused(why))
	}, turn)
}

func (d *scd) malformed(p node.Peer, turn *node.Turn) {
	d.hub.Stats.Add(node.RefusedMalformed, 1)
	if d.bad++; d.bad < dialect.MaxBad {
		return
	}
	d.ended = true
	d.hub.Stats.Add(node.CutMalformed, 1)
	p.End(1002, "malformed frames", turn)
}

// handle does one request. Its error is a refusal.
func (d *scd) handle(p node.Peer, q *request, turn *node.Turn) (answer, *codec.Error) {
	switch q.cmd {
	case "TMK":
		return d.make(p, q, turn)
	case "TDL":
		return d.delete(p, q, turn)
	case "TRN", "TRC":
		return d.subscribe(p, q, turn)
	case "TUC":
		return d.unsubscribe(p, q, turn)
	case "TSM":
		return d.publish(p, q, turn)
	}
	return answer{}, codec.Errorf(codec.CodeMalformed, "unknown command %q: TMK TDL TRN TRC TUC TSM are known", cut(q.cmd, 16))
}

const noError = "no error"

var done = answer{code: 1, text: noError}

func (q *request) exists() answer {
	return answer{code: 2, text: "topic '" + string(q.topic) + "' already exists"}
}

func (q *request) missing(code int) answer {
	return answer{code: code, text: "topic '" + string(q.topic) + "' not found"}
}

func (d *scd) make(p node.Peer, q *request, turn *node.Turn) (answer, *codec.Error) {
	if err := p.Session().MayManage(q.topic); err != nil {
		return answer{}, err
	}
	_, born, err := p.Session().Make(q.topic, node.MakeOptions{Static: true, Cap: dialect.BurstCap(d.hub), New: true}, turn)
	switch {
	case err != nil:
		return answer{}, err
	case !born:
		return q.exists(), nil
	}
	return done, nil
}

func (d *scd) delete(p node.Peer, q *request, turn *node.Turn) (answer, *codec.Error) {
	if d.hub.Find(q.topic) == nil {
		return q.missing(-1), nil
	}
	if err := p.Session().MayManage(q.topic); err != nil {
		return answer{}, err
	}
	if d.hub.Delete(q.topic, p.Session(), turn) != nil { // somebody else did meanwhile
		return q.missing(-1), nil
	}
	return done, nil
}

// subscribe says whether the topic was there or was made by it. One that was
// made ends with its last subscriber.
func (d *scd) subscribe(p node.Peer, q *request, turn *node.Turn) (answer, *codec.Error) {
	there := d.hub.Find(q.topic) != nil
	if !there && q.cmd == "TRC" {
		return q.missing(0), nil
	}
	fleeting := dialect.Transient(d.hub)
	sub, err := p.Session().Subscribe(q.topic, node.SubOptions{NotOwn: true, Format: format{}, New: &fleeting}, turn)
	switch {
	case err != nil && !there && err.Code == codec.CodeNoRoom:
		return answer{code: -1, text: err.Msg}, nil
	case err != nil:
		return answer{}, err
	case q.cmd == "TRC":
		return done, nil
	case sub.Born:
		return answer{code: 3, text: noError}, nil
	}
	return q.exists(), nil
}

func (d *scd) unsubscribe(p node.Peer, q *request, turn *node.Turn) (answer, *codec.Error) {
	if d.hub.Find(q.topic) == nil {
		return q.missing(2), nil
	}
	left := p.Session().Unsubscribe(q.topic, turn) == nil // who is no member is told 1 too
	if left && d.hub.Find(q.topic) == nil {
		return answer{code: 3, text: noError}, nil
	}
	return done, nil
}

func (d *scd) publish(p node.Peer, q *request, turn *node.Turn) (answer, *codec.Error) {
	t := d.hub.Find(q.topic)
	if t == nil {
		return q.missing(0), nil
	}
	body := node.Body{Enc: codec.JSON, Data: q.body}
	if !isValue(q.body) {
		body = dialect.TextBody(q.body)
	}
	stored, err := p.Session().Publish(q.topic, body, 0, turn)
	if err != nil {
		return answer{}, err
	}
	if stored.Topic != t { // it ended meanwhile and was made again: not to stay
		_, _ = d.hub.Make(q.topic, dialect.Transient(d.hub))
	}
	if stored.Unkept != nil {
		return answer{}, stored.Unkept
	}
	a := done
	a.commit = stored.Commit
	return a, nil
}

// isValue reports whether a body is published as the JSON value that it is. A
// JSON string is not: SCD subscribers are shown a string's text, and must get
// the quotes back.
func isValue(body []byte) bool {
	n := len(body)
	return n > 0 && body[0] > ' ' && body[n-1] > ' ' && body[0] != '"' && codec.Validate(codec.JSON, body) == nil
}
