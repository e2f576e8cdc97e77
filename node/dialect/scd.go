package dialect

import (
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"topicd/codec"
	"topicd/node"
)

// SCD is SCD-TopicServer's grammar (facts/scd.md): one request a text frame, one
// reply each. Its topics are the hub's; what it cannot say it refuses with the
// codes and a sentence that its clients show.
type SCD struct {
	// static after construction
	cfg *SCDConfig

	// owned by the peer's reader
	bad   uint8 // malformed frames in a row
	ended bool
}

// SCDConfig is what all SCD connections share.
type SCDConfig struct {
	Hub *node.Hub

	// A reply tells whether the topic was there or was made: one such request
	// at a time. Nothing of the hub's takes it.
	mu sync.Mutex
}

// New makes the dialect of one connection.
func (cfg *SCDConfig) New() *SCD { return &SCD{cfg: cfg} }

// Open implements node.Dialect.
func (d *SCD) Open(p node.Peer, turn *node.Turn) {
	s := p.Session()
	s.Describe("scd", "text", turn)
	// The original names its clients by address; readings carry it as from.
	if i := s.Info(); !i.Named {
		_ = s.Name(scdName(i.Addr), turn) // hexadecimal and short: never refused
	}
}

// scdName is hex(IPv4):hex(port), as the original has it; it has 0 for IPv6.
func scdName(addr string) string {
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
func (d *SCD) Close(node.Peer, *node.Turn) {}

// Bye implements node.Dialect: there is no such word; the close frame says it.
func (d *SCD) Bye(node.Peer, *codec.Error, *node.Turn) {}

// Frame implements node.Dialect.
func (d *SCD) Frame(p node.Peer, text bool, payload []byte, turn *node.Turn) {
	if d.ended {
		return
	}
	over := p.Session().Spend(1, len(payload), turn.Mono)
	q, ok := parseSCD(payload)
	if !text || !ok { // the original says nothing to these
		d.malformed(p, turn)
		return
	}
	d.bad = 0
	err := over
	if err == nil {
		err = q.check()
	}
	var a scdAnswer
	if err == nil {
		a, err = d.handle(p, &q, turn)
	}
	if err != nil {
		a = q.refused(err)
	}
	p.Send(true, appendSCDReply(nil, q.cmd, q.topic, a), turn)
}

func (d *SCD) malformed(p node.Peer, turn *node.Turn) {
	d.cfg.Hub.Stats.Add(node.RefusedMalformed, 1)
	if d.bad++; d.bad < maxBad {
		return
	}
	d.ended = true
	d.cfg.Hub.Stats.Add(node.CutMalformed, 1)
	p.End(1002, "malformed frames", turn)
}

// handle does one request. Its error is a refusal.
func (d *SCD) handle(p node.Peer, q *scdRequest, turn *node.Turn) (scdAnswer, *codec.Error) {
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
	return scdAnswer{}, codec.Errorf(codec.CodeMalformed, "unknown command %q: TMK TDL TRN TRC TUC TSM are known", cut(q.cmd, 16))
}

const scdNoError = "no error"

var scdDone = scdAnswer{1, scdNoError}

func (q *scdRequest) exists() scdAnswer {
	return scdAnswer{2, "topic '" + string(q.topic) + "' already exists"}
}

func (q *scdRequest) missing(code int) scdAnswer {
	return scdAnswer{code, "topic '" + string(q.topic) + "' not found"}
}

func (d *SCD) make(p node.Peer, q *scdRequest, turn *node.Turn) (scdAnswer, *codec.Error) {
	if codec.IsReserved(q.topic) {
		return scdAnswer{}, errReserved
	}
	if err := p.Session().MayManage(q.topic); err != nil {
		return scdAnswer{}, err
	}
	d.cfg.mu.Lock()
	defer d.cfg.mu.Unlock()
	if d.cfg.Hub.Find(q.topic) != nil {
		return q.exists(), nil
	}
	if _, err := p.Session().Make(q.topic, node.MakeOptions{Static: true, Cap: burstCap(d.cfg.Hub)}, turn); err != nil {
		return scdAnswer{}, err
	}
	return scdDone, nil
}

func (d *SCD) delete(p node.Peer, q *scdRequest, turn *node.Turn) (scdAnswer, *codec.Error) {
	if d.cfg.Hub.Find(q.topic) == nil {
		return q.missing(-1), nil
	}
	if codec.IsReserved(q.topic) {
		return scdAnswer{}, errReserved
	}
	if err := p.Session().MayManage(q.topic); err != nil {
		return scdAnswer{}, err
	}
	if d.cfg.Hub.Delete(q.topic, p.Session(), turn) != nil { // somebody else did meanwhile
		return q.missing(-1), nil
	}
	return scdDone, nil
}

// passing are the options of a topic that dies with its last subscriber.
func passing(h *node.Hub) node.MakeOptions {
	return node.MakeOptions{Keep: new(int), Cap: burstCap(h)}
}

// burstCap is the cap of topics whose subscribers have no word for a gap: what a
// peer sends in one go, up to 1 MiB that a worker reads before it writes, is
// there for who reads as fast. With the usual 64 KiB, 50 messages of 10 KB that
// came at once left 18 (measured). A small hub gives an eighth of its memory.
func burstCap(h *node.Hub) int64 {
	o := h.Options()
	return max(int64(o.TopicCap), min(2<<20, o.Memory/8))
}

func (d *SCD) subscribe(p node.Peer, q *scdRequest, turn *node.Turn) (scdAnswer, *codec.Error) {
	h, s := d.cfg.Hub, p.Session()
	d.cfg.mu.Lock()
	defer d.cfg.mu.Unlock()
	t := h.Find(q.topic)
	answer := scdDone
	switch {
	case t == nil && q.cmd == "TRC":
		return q.missing(0), nil
	case t == nil:
		if codec.IsReserved(q.topic) {
			return scdAnswer{}, errReserved
		}
		if err := s.MaySubscribe(q.topic); err != nil {
			return scdAnswer{}, err
		}
		var err *codec.Error
		if t, err = s.Make(q.topic, passing(h), turn); err != nil {
			return scdAnswer{-1, err.Msg}, nil
		}
		answer.code = 3
	case q.cmd == "TRN":
		answer = q.exists()
	}
	done, err := s.Subscribe(q.topic, node.SubOptions{NotOwn: true, Format: scdFormat{}}, turn)
	if err != nil {
		return scdAnswer{}, err
	}
	if done.Topic != t { // its last subscriber left meanwhile
		_, _ = h.Make(q.topic, passing(h))
	}
	return answer, nil
}

func (d *SCD) unsubscribe(p node.Peer, q *scdRequest, turn *node.Turn) (scdAnswer, *codec.Error) {
	d.cfg.mu.Lock()
	defer d.cfg.mu.Unlock()
	if d.cfg.Hub.Find(q.topic) == nil {
		return q.missing(2), nil
	}
	left := p.Session().Unsubscribe(q.topic, turn) == nil // who is no member is told 1 too
	if left && d.cfg.Hub.Find(q.topic) == nil {
		return scdAnswer{3, scdNoError}, nil
	}
	return scdDone, nil
}

func (d *SCD) publish(p node.Peer, q *scdRequest, turn *node.Turn) (scdAnswer, *codec.Error) {
	t := d.cfg.Hub.Find(q.topic)
	if t == nil {
		return q.missing(0), nil
	}
	body := node.Body{Enc: codec.JSON, Data: q.body}
	if !scdValue(q.body) {
		body = textBody(q.body)
	}
	done, err := p.Session().Publish(q.topic, body, 0, turn)
	if err != nil {
		return scdAnswer{}, err
	}
	if done.Topic != t { // it ended meanwhile and was made again: not to stay
		_, _ = d.cfg.Hub.Make(q.topic, passing(d.cfg.Hub))
	}
	return scdDone, nil
}

// scdValue reports whether a body is published as the JSON value that it is. A
// JSON string is not: SCD subscribers are shown a string's text, and must get
// the quotes back.
func scdValue(body []byte) bool {
	n := len(body)
	return n > 0 && body[0] > ' ' && body[n-1] > ' ' && body[0] != '"' && codec.Validate(codec.JSON, body) == nil
}
