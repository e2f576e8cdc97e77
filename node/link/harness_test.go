package link_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sys/unix"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/native"
	"topicd/node/link"
	"topicd/node/link/ws"
)

// patience bounds every wait of these tests, each frame's for itself: nothing here
// takes a tenth of it. No bound on what something takes is below long, which a busy
// machine does not reach.
const (
	patience = 60 * time.Second
	long     = 20 * time.Second
)

// TestMain lets more tests run at a time than there are processors: they wait
// for deadlines most of the time.
func TestMain(m *testing.M) {
	if addr := os.Getenv(benchDashboards); addr != "" {
		beDashboards(addr)
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set("8")
	}
	os.Exit(m.Run())
}

// readers are all ways to read; those with +tls have it from the first byte on.
var readers = []string{link.ReadPoll, link.ReadStay, link.ReadPoll + overTLS, link.ReadStay + overTLS}

const overTLS = "+tls"

// Opcodes, RFC 6455 11.8.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// options are those of both doors.
type options struct {
	Dialect      func(node.Arrival) node.Dialect // default native
	Subprotocols []string
	Reader       string
	MaxFrame     int
	Pace         time.Duration
	Ping         time.Duration
	Dead         time.Duration
	Stall        time.Duration
	Greet        time.Duration
	Partials     int64
	Unread       int64
	Pings        int
	Closing      time.Duration // default patience, as the next one
	Drain        time.Duration
	Gone         func(string)
	Log          *slog.Logger
}

func (o options) link() link.Options {
	return link.Options{
		Reader: strings.TrimSuffix(o.Reader, overTLS), MaxFrame: o.MaxFrame, Pace: o.Pace, Ping: o.Ping, Dead: o.Dead, Stall: o.Stall, Greet: o.Greet,
		Partials: o.Partials, Unread: o.Unread, Pings: o.Pings, Gone: o.Gone, Log: o.Log,
	}.Patient(cmp.Or(o.Closing, patience), cmp.Or(o.Drain, patience))
}

// hubTime is a hub's clock that can be set forward: what its peers have much time for,
// which a busy machine does not take, is over soon.
type hubTime struct{ ahead atomic.Int64 }

func (h *hubTime) clock() node.Clock {
	start := time.Now()
	return func() (wall, mono int64) {
		now := time.Now()
		return now.UnixMilli(), now.Sub(start).Milliseconds() + 1 + h.ahead.Load()
	}
}

func (h *hubTime) pass(d time.Duration) { h.ahead.Add(d.Milliseconds()) }

// heardAt is when the hub has heard of c last, by its clock; 0 = it is not there.
func (s *testServer) heardAt(c net.Conn) (at int64) {
	for _, p := range s.Peers() {
		if sess := p.Session(); sess.Info().Addr == c.LocalAddr().String() {
			at = sess.LastHeard()
		}
	}
	return at
}

// eachReader runs the test against all readers at the same time.
func eachReader(t *testing.T, test func(t *testing.T, reader string)) {
	t.Helper()
	for _, r := range readers {
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
	*ws.Server
	t    testing.TB
	http *http.Server
	addr string
	tls  bool
}

func serve(t testing.TB, o options, ho node.Options) *testServer {
	t.Helper()
	s := start(t, o, ho)
	t.Cleanup(s.end)
	return s
}

func start(t testing.TB, o options, ho node.Options) *testServer {
	t.Helper()
	return startOn(t, net.ListenConfig{}, o, ho)
}

func startOn(t testing.TB, lc net.ListenConfig, o options, ho node.Options) *testServer {
	t.Helper()
	h := node.New(ho)
	if o.Dialect == nil {
		cfg := &native.Config{Hub: h, Version: "test", MaxFrame: o.MaxFrame}
		o.Dialect = func(a node.Arrival) node.Dialect { return cfg.New(a.Protocol) }
	}
	l, err := link.New(h, o.link())
	if err != nil {
		t.Fatal(err)
	}
	s := &testServer{Server: ws.New(l, ws.Options{Open: o.Dialect, Subprotocols: o.Subprotocols}), t: t}
	s.tls = strings.HasSuffix(o.Reader, overTLS)
	listener := s.listen(lc)
	s.addr = listener.Addr().String()
	s.http = &http.Server{Handler: s.Server, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = s.http.Serve(listener) }()
	return s
}

// listen takes a port as the program does.
func (s *testServer) listen(lc net.ListenConfig) net.Listener {
	s.t.Helper()
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	if s.tls {
		return tls.NewListener(link.Below(l), &tls.Config{Certificates: []tls.Certificate{testCertificate()}, NextProtos: []string{"http/1.1"}})
	}
	return l
}

// testCertificate is made once: a key costs more than most of the tests.
var testCertificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// serveTight is serve with sockets that take few bytes: a slow reader then
// fills them soon.
func serveTight(t testing.TB, o options, ho node.Options) *testServer {
	t.Helper()
	s := startOn(t, net.ListenConfig{Control: smallBuffer(unix.SO_SNDBUF)}, o, ho)
	t.Cleanup(s.end)
	return s
}

// connect opens a connection, which has no deadline yet.
func (s *testServer) connect(d net.Dialer) (net.Conn, error) {
	return connect(d, s.addr, s.tls)
}

func connect(d net.Dialer, addr string, secure bool) (net.Conn, error) {
	nc, err := d.Dial("tcp", addr)
	if err == nil && secure {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	}
	return nc, err
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
	nc, err := s.connect(d)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.shake(nc)
}

func (s *testServer) end() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.Shutdown(ctx)
	_ = s.http.Close()
	if err := s.Hub().CheckInvariants(); err != nil {
		s.t.Errorf("hub: %v", err)
	}
	if n := s.Partials(); n != 0 {
		s.t.Errorf("%d bytes of unfinished messages are still counted", n)
	}
	if n := s.Unread(); n != 0 {
		s.t.Errorf("%d bytes of unread answers are still counted", n)
	}
	if c := s.Hub().Counts(); c.Sessions != 0 {
		s.t.Errorf("%d sessions are left", c.Sessions)
	}
	s.Hub().Close()
}

func withEcho(o options) options {
	o.Dialect = func(node.Arrival) node.Dialect { return echo{} }
	return o
}

func (s *testServer) count(c node.Counter) int64 { return s.Hub().Stats.Get(c) }

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
	nc, err := s.connect(net.Dialer{})
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

func newRaw(t testing.TB, nc net.Conn) *raw {
	return &raw{t: t, nc: nc, br: bufio.NewReaderSize(nc, 4096)}
}

// handshake is for goroutines, which may not end the test.
func handshake(nc net.Conn, addr string, header ...string) (*raw, error) {
	_ = nc.SetDeadline(time.Now().Add(patience))
	lines := append([]string{"GET / HTTP/1.1", "Host: " + addr, "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, header...)
	if _, err := io.WriteString(nc, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		return nil, err
	}
	c := newRaw(nil, nc)
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
	_ = c.nc.SetWriteDeadline(time.Now().Add(patience))
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
	_ = c.nc.SetReadDeadline(time.Now().Add(patience))
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
	nc := c.nc
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	_ = nc.(*net.TCPConn).SetLinger(0)
	_ = nc.Close()
}

// browser is a well-behaved client.
func (s *testServer) browser(subprotocols ...string) *websocket.Conn {
	s.t.Helper()
	d := websocket.Dialer{Subprotocols: subprotocols, HandshakeTimeout: patience, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	scheme := "ws://"
	if s.tls {
		scheme = "wss://"
	}
	c, _, err := d.Dial(scheme+s.addr+"/", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(3 * patience)) // for all that it reads
	return c
}
