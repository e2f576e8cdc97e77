package wsock

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sys/unix"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/native"
)

// patience bounds every wait of these tests: nothing here takes a tenth of it.
const patience = 30 * time.Second

// TestMain lets more tests run at a time than there are processors: they wait
// for deadlines most of the time.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set("8")
	}
	os.Exit(m.Run())
}

// eachReader runs the test against all readers at the same time.
func eachReader(t *testing.T, test func(t *testing.T, reader string)) {
	t.Helper()
	for _, r := range []string{readPoll, readWait, readGorilla} {
		t.Run(r, func(t *testing.T) {
			t.Parallel()
			test(t, r)
		})
	}
}

// echo answers every message with itself.
type echo struct{}

func (echo) Open(node.Peer, *node.Turn) {}
func (echo) Frame(p node.Peer, text bool, b []byte, turn *node.Turn) {
	p.Send(text, b, turn)
}
func (echo) Bye(node.Peer, *codec.Error, *node.Turn) {}
func (echo) Close(node.Peer, *node.Turn)             {}

// testServer is a Server on a port of its own. At the test's end it is shut
// down and its hub must be in order.
type testServer struct {
	*Server
	t    testing.TB
	http *httptest.Server
	addr string
}

func serve(t testing.TB, o Options, ho node.Options) *testServer {
	t.Helper()
	s := start(t, o, ho)
	t.Cleanup(s.end)
	return s
}

func start(t testing.TB, o Options, ho node.Options) *testServer {
	t.Helper()
	h := node.New(ho)
	if o.Dialect == nil {
		cfg := &native.Config{Hub: h, Version: "test", MaxFrame: o.MaxFrame}
		o.Dialect = func(_ *http.Request, sub string) node.Dialect { return cfg.New(sub) }
	}
	srv, err := New(h, o)
	if err != nil {
		t.Fatal(err)
	}
	s := &testServer{Server: srv, t: t}
	s.http = httptest.NewServer(srv)
	s.addr = s.http.Listener.Addr().String()
	return s
}

// serveTight is serve with sockets that take few bytes: a slow reader then
// fills them soon.
func serveTight(t testing.TB, o Options, ho node.Options) *testServer {
	t.Helper()
	s := start(t, o, ho)
	s.http.Close()
	lc := net.ListenConfig{Control: smallBuffer(unix.SO_SNDBUF)}
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.http = httptest.NewUnstartedServer(s.Server)
	_ = s.http.Listener.Close()
	s.http.Listener = l
	s.http.Start()
	s.addr = l.Addr().String()
	t.Cleanup(s.end)
	return s
}

// smallBuffer bounds what the kernel holds for a socket.
func smallBuffer(opt int) func(string, string, syscall.RawConn) error {
	return func(_, _ string, rc syscall.RawConn) error {
		return rc.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, opt, 4096) })
	}
}

// dialTight is dial with a small receive buffer.
func (s *testServer) dialTight() *raw {
	s.t.Helper()
	d := net.Dialer{Control: smallBuffer(unix.SO_RCVBUF)}
	nc, err := d.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.shake(nc)
}

func (s *testServer) end() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.Shutdown(ctx)
	s.http.Close()
	if err := s.hub.Check(); err != nil {
		s.t.Errorf("hub: %v", err)
	}
	if n := s.partials.Load(); n != 0 {
		s.t.Errorf("%d bytes of unfinished messages are still counted", n)
	}
	if c := s.hub.Counts(); c.Sessions != 0 {
		s.t.Errorf("%d sessions are left", c.Sessions)
	}
	s.hub.Close()
}

func withEcho(o Options) Options {
	o.Dialect = func(*http.Request, string) node.Dialect { return echo{} }
	return o
}

func (s *testServer) count(c node.Counter) int64 { return s.hub.Stats.Get(c) }

// eventually waits until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

// raw is a client that can send anything.
type raw struct {
	t    testing.TB
	nc   net.Conn
	br   *bufio.Reader
	resp *http.Response
}

// dial connects and does the handshake with more header lines. It fails the
// test unless the server upgrades.
func (s *testServer) dial(header ...string) *raw {
	s.t.Helper()
	c := s.knock(header...)
	if c.resp.StatusCode != http.StatusSwitchingProtocols {
		s.t.Fatalf("handshake: %s", c.resp.Status)
	}
	return c
}

func (s *testServer) knock(header ...string) *raw {
	s.t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.shake(nc, header...)
}

func (s *testServer) shake(nc net.Conn, header ...string) *raw {
	s.t.Helper()
	c, err := handshake(nc, s.addr, header...)
	if err != nil {
		s.t.Fatalf("handshake: %v", err)
	}
	c.t = s.t
	s.t.Cleanup(func() { _ = nc.Close() })
	return c
}

// handshake is for goroutines, which may not end the test.
func handshake(nc net.Conn, addr string, header ...string) (*raw, error) {
	_ = nc.SetDeadline(time.Now().Add(patience))
	lines := append([]string{"GET / HTTP/1.1", "Host: " + addr, "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, header...)
	if _, err := io.WriteString(nc, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		return nil, err
	}
	c := &raw{nc: nc, br: bufio.NewReaderSize(nc, 4096)}
	var err error
	c.resp, err = http.ReadResponse(c.br, nil)
	return c, err
}

// clientFrame is a frame as a client may send it; rsv is the three reserved bits.
func clientFrame(fin bool, rsv, op byte, payload []byte) []byte {
	return maskedFrame(fin, rsv, op, payload, uint64(len(payload)), 0x37fa213d)
}

// maskedFrame lies about its length where told to.
func maskedFrame(fin bool, rsv, op byte, payload []byte, length uint64, mask uint32) []byte {
	b0 := rsv<<4 | op
	if fin {
		b0 |= 0x80
	}
	b := []byte{b0}
	switch {
	case length < 126:
		b = append(b, 0x80|byte(length))
	case length < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), length)
	}
	b = binary.BigEndian.AppendUint32(b, mask)
	for i, p := range payload {
		b = append(b, p^byte(mask>>(24-8*(i%4))))
	}
	return b
}

func text(s string) []byte { return clientFrame(true, 0, opText, []byte(s)) }
func ping(s string) []byte { return clientFrame(true, 0, opPing, []byte(s)) }
func closing(code int, r string) []byte {
	return clientFrame(true, 0, opClose, append([]byte{byte(code >> 8), byte(code)}, r...))
}

func (c *raw) send(b ...[]byte) {
	c.t.Helper()
	for _, p := range b {
		if _, err := c.nc.Write(p); err != nil {
			c.t.Fatalf("write: %v", err)
		}
	}
}

// say sends one text message; its error is the reader's to notice.
func (c *raw) say(format string, a ...any) {
	_, _ = c.nc.Write(text(fmt.Sprintf(format, a...)))
}

// got is a frame from the server.
type got struct {
	op      byte
	payload []byte
}

var errNotAServerFrame = errors.New("not a frame that a server may send here")

// next reads one frame and checks its form.
func (c *raw) next() (got, error) {
	var h [10]byte
	if _, err := io.ReadFull(c.br, h[:2]); err != nil {
		return got{}, err
	}
	if h[0]&0xf0 != 0x80 || h[1]&0x80 != 0 { // whole, no reserved bits, unmasked
		return got{}, fmt.Errorf("%w: % x", errNotAServerFrame, h[:2])
	}
	n := uint64(h[1])
	var err error
	switch n {
	case 126:
		_, err = io.ReadFull(c.br, h[2:4])
		n = uint64(binary.BigEndian.Uint16(h[2:]))
	case 127:
		_, err = io.ReadFull(c.br, h[2:10])
		n = binary.BigEndian.Uint64(h[2:])
	}
	if err != nil || n > 1<<24 {
		return got{}, errors.Join(err, errNotAServerFrame)
	}
	g := got{h[0] & 0x0f, make([]byte, n)}
	_, err = io.ReadFull(c.br, g.payload)
	return g, err
}

// String is how the tables of these tests write frames; long payloads by
// length and checksum.
func (g got) String() string {
	p := string(g.payload)
	if len(p) > 200 {
		p = fmt.Sprintf("%d bytes, %08x", len(p), crc32.ChecksumIEEE(g.payload))
	}
	switch g.op {
	case opText:
		return "text:" + p
	case opBinary:
		return "binary:" + p
	case opPing:
		return "ping:" + p
	case opPong:
		return "pong:" + p
	case opClose:
		if len(p) < 2 {
			return "close:" + p
		}
		return fmt.Sprintf("close:%d", binary.BigEndian.Uint16(g.payload))
	}
	return fmt.Sprintf("opcode %d", g.op)
}

// want reads one frame and compares.
func (c *raw) want(w string) {
	c.t.Helper()
	g, err := c.next()
	if err != nil {
		c.t.Fatalf("want %q: %v", w, err)
	}
	if g.String() != w {
		c.t.Fatalf("got %q, want %q", g, w)
	}
}

// rest reads frames until the server ends the connection.
func (c *raw) rest() ([]string, error) {
	var all []string
	for {
		g, err := c.next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, g.String())
	}
}

// message reads text frames until one holds sub.
func (c *raw) message(sub string) string {
	c.t.Helper()
	for {
		g, err := c.next()
		if err != nil {
			c.t.Fatalf("waiting for %q: %v", sub, err)
		}
		if strings.Contains(string(g.payload), sub) {
			return string(g.payload)
		}
	}
}

// reset ends the connection with RST.
func (c *raw) reset() {
	if tcp, ok := c.nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.nc.Close()
}

// browser is a well-behaved client.
func (s *testServer) browser(subprotocols ...string) *websocket.Conn {
	s.t.Helper()
	d := websocket.Dialer{Subprotocols: subprotocols, HandshakeTimeout: patience}
	c, _, err := d.Dial("ws://"+s.addr+"/", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(patience))
	return c
}
