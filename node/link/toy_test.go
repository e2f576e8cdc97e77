package link_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/link"
)

// toy is a protocol that frames itself: two bytes of length, of themselves too,
// and a payload. It is what MQTT is to the transport. Bye may come beside Frame: no method
// copies it.
type toy struct {
	echo
	slow  slowFormat
	begun int // of a packet that is handled in pieces
}

func toyPacket(payload string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(2+len(payload))), payload...)
}

// Split implements node.Splitter.
func (*toy) Split(in []byte, most int) (int, *codec.Error) {
	if len(in) < 2 {
		return 0, nil
	}
	switch n := int(binary.BigEndian.Uint16(in)); {
	case n < 2:
		return 0, codec.Errorf(codec.CodeMalformed, "no length")
	case n > most:
		return 0, codec.Errorf(codec.CodeTooLarge, "too large")
	case len(in) < n:
		return 0, nil
	default:
		return n, nil
	}
}

// Frame implements node.Dialect: it echoes, and knows a few words.
func (d *toy) Frame(p node.Peer, _ bool, packet []byte, turn *node.Turn) {
	word, arg, _ := strings.Cut(string(packet[2:]), " ")
	switch word {
	case "end":
		p.End(1000, "as told", turn)
	case "pieces":
		var n int
		_, _ = fmt.Sscan(arg, &n)
		if d.begun++; d.begun < n {
			p.Again()
			return
		}
		p.Send(false, toyPacket(fmt.Sprint("in ", d.begun)), turn)
		d.begun = 0
	case "work":
		p.Session().Charge(node.PieceOfWork + 1)
		p.Send(false, packet, turn)
	case "silence":
		var ms int
		_, _ = fmt.Sscan(arg, &ms)
		p.SetSilence(ms)
	case "sub", "slow":
		o := node.SubOptions{Format: toyFormat{}}
		if word == "slow" {
			o = node.SubOptions{Format: d.slow, Last: 1 << 20}
		}
		if _, err := p.Session().Subscribe([]byte(arg), o, turn); err != nil {
			p.Send(false, toyPacket(err.Error()), turn)
		}
	default:
		p.Send(false, packet, turn)
	}
}

// Bye implements node.Dialect.
func (*toy) Bye(p node.Peer, why *codec.Error, turn *node.Turn) {
	p.Send(false, toyPacket(fmt.Sprint("bye ", why.Code)), turn)
}

// toyFormat writes readings as packets.
type toyFormat struct{}

func (toyFormat) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	return append(dst, toyPacket(string(r.Data))...), true
}

func (toyFormat) Live(dst []byte, _ string, _ uint64, _ int64) ([]byte, bool) { return dst, false }
func (toyFormat) Text() bool                                                  { return false }

// slowFormat takes a while for each reading, and counts them.
type slowFormat struct {
	toyFormat
	done *atomic.Int64
}

func (f slowFormat) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	time.Sleep(time.Millisecond)
	f.done.Add(1)
	return f.toyFormat.Append(dst, r)
}

// The ways to speak it.
const (
	toyTCP = "bare"
	toyTLS = "bare, TLS"
	toyWS  = "WebSocket"
	toyWSS = "WebSocket, TLS"
)

// eachToy runs a test over every way to come and every reader.
func eachToy(t *testing.T, test func(t *testing.T, way, reader string)) {
	t.Helper()
	for _, way := range []string{toyTCP, toyTLS, toyWS, toyWSS} {
		for _, r := range []string{link.ReadPoll, link.ReadStay} {
			t.Run(way+", "+r, func(t *testing.T) {
				t.Parallel()
				if strings.HasSuffix(way, "TLS") {
					r += overTLS
				}
				test(t, way, r)
			})
		}
	}
}

// toyServer is a testServer whose second port is bare.
type toyServer struct {
	*testServer
	bare string
	slow atomic.Int64 // readings written by slowFormat
}

func serveToy(t *testing.T, o options, ho node.Options) *toyServer {
	t.Helper()
	return serveToyOn(t, net.ListenConfig{}, o, ho)
}

func serveToyOn(t *testing.T, lc net.ListenConfig, o options, ho node.Options) *toyServer {
	t.Helper()
	s := new(toyServer)
	open := func(node.Arrival) node.Dialect { return &toy{slow: slowFormat{done: &s.slow}} }
	o.Dialect = open
	s.testServer = startOn(t, lc, o, ho)
	l := s.listen(lc)
	s.bare = l.Addr().String()
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go s.Accept(nc, node.Arrival{Dialect: "toy"}, open(node.Arrival{}), nil, nil)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); s.end() })
	return s
}

// toyPeer reads packets, whatever they lie in, and writes bytes of the stream.
type toyPeer struct {
	*raw
	ws   bool
	rest []byte // of a WebSocket message
}

func (s *toyServer) toy(way string, d net.Dialer) *toyPeer {
	s.t.Helper()
	if way == toyWS || way == toyWSS {
		nc, err := s.connect(d)
		if err != nil {
			s.t.Fatal(err)
		}
		return &toyPeer{raw: s.shake(nc), ws: true}
	}
	nc, err := connect(d, s.bare, s.tls)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return &toyPeer{raw: newRaw(s.t, nc)}
}

// write sends bytes of the stream, as one binary message if that is what carries them.
func (p *toyPeer) write(b []byte) error {
	if p.ws {
		b = clientFrame(true, 0, opBinary, b)
	}
	_, err := p.nc.Write(b)
	return err
}

// read is one packet's payload. It reads what carries it as a client would.
func (p *toyPeer) read() (string, error) {
	fill := func(n int) error {
		for len(p.rest) < n {
			if !p.ws {
				b := make([]byte, n-len(p.rest))
				if _, err := io.ReadFull(p.br, b); err != nil {
					return err
				}
				p.rest = append(p.rest, b...)
				continue
			}
			g, err := p.next()
			if err != nil {
				return err
			}
			if g.op != opBinary {
				return fmt.Errorf("%w: %s", errNoPacket, g)
			}
			p.rest = append(p.rest, g.payload...)
		}
		return nil
	}
	if err := fill(2); err != nil {
		return "", err
	}
	n := int(binary.BigEndian.Uint16(p.rest))
	if err := fill(n); err != nil {
		return "", err
	}
	payload := string(p.rest[2:n])
	p.rest = p.rest[n:]
	return payload, nil
}

var errNoPacket = fmt.Errorf("no packet")

// wantPacket reads one and compares.
func (p *toyPeer) wantPacket(want string) {
	p.t.Helper()
	if got, err := p.read(); err != nil || got != want {
		p.t.Fatalf("got %.40q, %v, want %.40q", got, err, want)
	}
}

// wantEnd: nothing more comes but a WebSocket's close frame with that code, and the end.
func (p *toyPeer) wantEnd(code int) {
	p.t.Helper()
	if p.ws {
		p.want(fmt.Sprint("close:", code))
		_, _ = p.nc.Write(closing(code, ""))
	}
	if b, err := io.ReadAll(p.br); err != nil || len(b) > 0 {
		p.t.Fatalf("at the end came %.40q, %v", b, err)
	}
}
