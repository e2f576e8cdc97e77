package dialect

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

// A transcript is what peers and the hub say, line by line:
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
type transcript struct {
	t     testing.TB
	cfg   *NativeConfig
	now   int64
	peers map[string]*peer
}

const (
	testEpoch = 7
	testNow   = int64(1_700_000_000_000)
)

func newTranscript(t testing.TB, o node.Options) *transcript {
	t.Helper()
	s := &transcript{t: t, now: testNow, peers: make(map[string]*peer)}
	o.Name, o.Epoch, o.Clock = "gw", testEpoch, func() (wall, mono int64) { return s.now, s.now }
	h := node.New(o)
	s.cfg = &NativeConfig{Hub: h, Version: "1.0", Ping: 50_000, MaxFrame: 65536, Retry: 1000}
	t.Cleanup(func() {
		for _, p := range s.peers {
			p.close()
		}
		if err := h.Check(); err != nil {
			t.Errorf("hub: %v", err)
		}
		h.Close()
	})
	return s
}

// play runs a transcript.
func (s *transcript) play(script string) {
	s.t.Helper()
	for i, line := range strings.Split(script, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := s.line(line); err != nil {
			s.t.Fatalf("line %d, %s\n%v", i+1, line, err)
		}
		if err := s.cfg.Hub.Check(); err != nil {
			s.t.Fatalf("line %d, %s: hub: %v", i+1, line, err)
		}
	}
	for name, p := range s.peers {
		if f := p.read(); len(f) > 0 {
			s.t.Fatalf("at the end %s has also got %s", name, f[0])
		}
	}
}

func (s *transcript) line(line string) error {
	word := strings.SplitN(line, " ", 3)
	switch word[0] {
	case "open":
		s.open(word[1], word[2])
		return nil
	case "close":
		s.peers[word[1]].close()
		return nil
	case "wait":
		ms, err := strconv.Atoi(word[1])
		s.wait(int64(ms))
		return err
	case "end":
		if got := fmt.Sprint(s.peer(word[1]).code); got != word[2] {
			return fmt.Errorf("ended with %s", got)
		}
		return nil
	}
	p := s.peer(word[0])
	switch word[1] {
	case ">":
		p.say(true, []byte(word[2]))
	case ">>":
		b, err := codec.Transcode(nil, codec.CBOR, codec.JSON, []byte(word[2]))
		if err != nil {
			return err
		}
		p.say(false, b)
	case "<", "<<":
		want := word[1] + " " + word[2]
		f := p.read()
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

// wait lets time pass, as the transport's sweeper would.
func (s *transcript) wait(ms int64) {
	s.now += ms
	for range 20 { // a sweep looks at a part of the topics
		turn := s.cfg.Hub.Turn()
		s.cfg.Hub.Sweep(turn)
		turn.Wake()
	}
}

func (s *transcript) peer(name string) *peer {
	if p := s.peers[name]; p != nil {
		return p
	}
	return s.open(name, "")
}

func (s *transcript) open(name, subprotocol string) *peer {
	s.t.Helper()
	p := &peer{script: s, d: s.cfg.New(subprotocol), pace: -1}
	turn := s.cfg.Hub.Turn()
	sess, err := s.cfg.Hub.Open(p, "10.0.0.1:1", "/ws", turn)
	if err != nil {
		s.t.Fatal(err)
	}
	p.s = sess
	s.peers[name] = p
	p.d.Open(p, turn)
	turn.Wake()
	return p
}

// peer is a transport for one session: readings first, answers behind them, as
// wsock does.
type peer struct {
	script  *transcript
	s       *node.Session
	d       *Native
	scratch node.Scratch
	answers []byte
	got     []string
	next    int64
	pace    int
	code    int // it was ended with
	cut     *codec.Error
	gone    bool
}

func (p *peer) Session() *node.Session { return p.s }
func (p *peer) SetPace(ms int)         { p.pace = ms }
func (p *peer) Speak(node.Dialect)     {}
func (p *peer) Wake()                  {}
func (p *peer) Cut(why *codec.Error)   { p.cut = why }

func (p *peer) Send(text bool, b []byte, turn *node.Turn) {
	if p.code == 0 {
		at := len(p.answers)
		p.answers = boxes{}.End(append(boxes{}.Begin(p.answers), b...), at, text)
	}
	p.s.Attend(turn)
}

func (p *peer) End(code int, _ string, turn *node.Turn) {
	if p.code == 0 {
		p.code = code
	}
	p.s.Attend(turn)
}

func (p *peer) say(text bool, b []byte) {
	turn := p.s.Hub().Turn()
	p.s.Heard(turn.Mono)
	p.d.Frame(p, text, bytes.Clone(b), turn)
	turn.Wake()
}

func (p *peer) close() {
	if !p.gone {
		p.gone = true
		turn := p.s.Hub().Turn()
		p.d.Close(p, turn)
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

// read takes everything there is and returns what no line has told of yet.
func (p *peer) read() []string {
	for {
		out, next := p.s.Fill(nil, 4096, p.s.Hub().Mono(), boxes{}, &p.scratch)
		p.next = next
		if next != node.Again {
			out = append(out, p.answers...)
			p.answers = nil
		}
		for len(out) > 0 {
			n := int(binary.BigEndian.Uint32(out))
			p.got = append(p.got, show(out[4] == 1, out[5:5+n]))
			out = out[5+n:]
		}
		if next != node.Again {
			return p.got
		}
	}
}

// all is read for who wants every frame.
func (p *peer) all() []string {
	f := p.read()
	p.got = nil
	return f
}

// show writes a frame as transcripts do.
func show(text bool, b []byte) string {
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
