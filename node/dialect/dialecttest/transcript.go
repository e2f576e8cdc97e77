package dialecttest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"topicd/codec"
	"topicd/node"
)

// Transcript is what peers and the hub say, line by line:
//
//	a > {…}     a says this as text; a >> {…} says the same in CBOR
//	a < {…}     the next frame that a gets is this text; a << {…} in CBOR
//	open a P    a connects with the subprotocol P
//	close a     a is gone
//	wait MS     time passes, and the hub sweeps
//	end a CODE  the hub has ended a with this close code
//
// A peer that is named for the first time connects. Frames are compared as
// JSON with the keys in the protocol's order. At the end nobody may have got a
// frame that no line tells of.
type Transcript struct {
	*node.Hub
	Now int64 // of the hub's clock

	t     testing.TB
	open  func(subprotocol string) node.Dialect
	peers map[string]*Peer
}

// Epoch and Begin are those of a transcript's hub, which is called gw.
const (
	Epoch = 7
	Begin = int64(1_700_000_000_000)
)

// NewTranscript makes a hub whose peers speak what open makes for their subprotocol.
func NewTranscript(t testing.TB, o node.Options, open func(h *node.Hub, subprotocol string) node.Dialect) *Transcript {
	t.Helper()
	s := &Transcript{Now: Begin, t: t, peers: make(map[string]*Peer)}
	o.Name, o.Epoch, o.Clock = "gw", Epoch, func() (wall, mono int64) { return s.Now, s.Now }
	h := node.New(o)
	s.Hub, s.open = h, func(sub string) node.Dialect { return open(h, sub) }
	t.Cleanup(func() {
		for _, p := range s.peers {
			p.Close()
		}
		if err := h.CheckInvariants(); err != nil {
			t.Errorf("hub: %v", err)
		}
		h.Close()
	})
	return s
}

// Play runs a transcript.
func (s *Transcript) Play(script string) {
	s.t.Helper()
	for i, line := range strings.Split(script, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := s.line(line); err != nil {
			s.t.Fatalf("line %d, %s\n%v", i+1, line, err)
		}
		if err := s.Hub.CheckInvariants(); err != nil {
			s.t.Fatalf("line %d, %s: hub: %v", i+1, line, err)
		}
	}
	for name, p := range s.peers {
		if f := p.Read(); len(f) > 0 {
			s.t.Fatalf("at the end %s has also got %s", name, f[0])
		}
	}
}

func (s *Transcript) line(line string) error {
	word := strings.SplitN(line, " ", 3)
	switch word[0] {
	case "open":
		s.Open(word[1], word[2])
		return nil
	case "close":
		s.peers[word[1]].Close()
		return nil
	case "wait":
		ms, err := strconv.Atoi(word[1])
		s.Wait(int64(ms))
		return err
	case "end":
		if got := fmt.Sprint(s.Peer(word[1]).Code); got != word[2] {
			return fmt.Errorf("ended with %s", got)
		}
		return nil
	}
	p := s.Peer(word[0])
	switch word[1] {
	case ">":
		p.Say(true, []byte(word[2]))
	case ">>":
		b, err := codec.Transcode(nil, codec.CBOR, codec.JSON, []byte(word[2]))
		if err != nil {
			return err
		}
		p.Say(false, b)
	case "<", "<<":
		want := word[1] + " " + word[2]
		f := p.Read()
		if len(f) == 0 {
			return fmt.Errorf("%s got nothing", word[0])
		}
		p.got = f[1:]
		if f[0] != want {
			return fmt.Errorf("%s got %s", word[0], f[0])
		}
	default:
		return fmt.Errorf("what is %q?", word[1])
	}
	return nil
}

// Wait lets time pass, as the transport's sweeper would.
func (s *Transcript) Wait(ms int64) {
	s.Now += ms
	for range 20 { // a sweep looks at a part of the topics
		turn := s.Hub.Turn()
		s.Hub.Sweep(turn)
		turn.Wake()
	}
}

// Peer is the peer of that name, which connects if it is new.
func (s *Transcript) Peer(name string) *Peer {
	if p := s.peers[name]; p != nil {
		return p
	}
	return s.Open(name, "")
}

// Open connects a peer.
func (s *Transcript) Open(name, subprotocol string) *Peer {
	s.t.Helper()
	p := &Peer{Dialect: s.open(subprotocol), Pace: -1}
	turn := s.Hub.Turn()
	sess, err := s.Hub.Open(p, "10.0.0.1:1", "/ws", turn)
	if err != nil {
		s.t.Fatal(err)
	}
	p.s = sess
	s.peers[name] = p
	p.Dialect.Open(p, turn)
	turn.Wake()
	return p
}

// Peer is a transport for one session: readings first, answers behind them, as
// the real one does.
type Peer struct {
	Dialect node.Dialect
	Pace    int
	Silence int          // as it was set last
	Code    int          // it was ended with
	Why     *codec.Error // it was cut for

	s       *node.Session
	scratch node.Scratch
	answers []byte
	got     []string
	gone    bool
}

// Session implements node.Peer, as the rest of them do.
func (p *Peer) Session() *node.Session { return p.s }
func (p *Peer) SetPace(ms int)         { p.Pace = ms }
func (p *Peer) SetSilence(ms int)      { p.Silence = ms }
func (p *Peer) Again()                 {} // no transcript has packets that are handled in pieces
func (p *Peer) Adopt(*node.Session)    {}
func (p *Peer) Speak(d node.Dialect)   { p.Dialect = d }
func (p *Peer) Wake()                  {}
func (p *Peer) Cut(why *codec.Error)   { p.Why = why }

func (p *Peer) Send(text bool, b []byte, turn *node.Turn) {
	if p.Code == 0 {
		at := len(p.answers)
		p.answers = boxes{}.End(append(boxes{}.Begin(p.answers), b...), at, text)
	}
	p.s.Attend(turn)
}

func (p *Peer) End(code int, _ string, turn *node.Turn) {
	if p.Code == 0 {
		p.Code = code
	}
	p.s.Attend(turn)
}

// Say sends one message.
func (p *Peer) Say(text bool, b []byte) {
	turn := p.s.Hub().Turn()
	p.s.Heard(turn.Mono)
	p.Dialect.Frame(p, text, bytes.Clone(b), turn)
	turn.Wake()
}

// Close ends the connection.
func (p *Peer) Close() {
	if !p.gone {
		p.gone = true
		turn := p.s.Hub().Turn()
		p.Dialect.Close(p, turn)
		p.s.Close(turn)
		turn.Wake()
	}
}

// boxes is a framer whose frames tell their length and form.
type boxes struct{}

func (boxes) Begin(dst []byte) []byte { return append(dst, 0, 0, 0, 0, 0) }
func (boxes) End(dst []byte, begin int, text bool) []byte {
	binary.BigEndian.PutUint32(dst[begin:], uint32(len(dst)-begin-5))
	if text {
		dst[begin+4] = 1
	}
	return dst
}

// Frame is one that the peer got.
type Frame struct {
	Text bool
	Data []byte
}

// Frames takes all frames that there are.
func (p *Peer) Frames() (all []Frame) {
	for {
		out, next := p.s.Fill(nil, 4096, p.s.Hub().Mono(), boxes{}, &p.scratch)
		if next != node.Again {
			out = append(out, p.answers...)
			p.answers = nil
		}
		for len(out) > 0 {
			n := int(binary.BigEndian.Uint32(out))
			all = append(all, Frame{out[4] == 1, out[5 : 5+n]})
			out = out[5+n:]
		}
		if next != node.Again {
			return all
		}
	}
}

// Read takes everything there is and returns what no line has told of yet.
func (p *Peer) Read() []string {
	for _, f := range p.Frames() {
		p.got = append(p.got, Show(f.Text, f.Data))
	}
	return p.got
}

// All is read for who wants every frame.
func (p *Peer) All() []string {
	f := p.Read()
	p.got = nil
	return f
}

// Show writes a frame as transcripts do.
func Show(text bool, b []byte) string {
	if text {
		return "< " + string(b)
	}
	var d codec.Decoder
	var m codec.Message
	d.Reset(codec.CBOR, b)
	if err := d.Next(&m); err != nil {
		return fmt.Sprintf("<< % x: %v", b, err)
	}
	j := codec.Append(nil, codec.JSON, &m)
	if err := d.Next(&m); err != io.EOF {
		return fmt.Sprintf("<< % x: something follows", b)
	}
	return "<< " + string(j)
}
