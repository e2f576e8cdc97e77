package front

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"topicd/node"
)

// crampedListener has no file left for a connection.
type crampedListener struct{ net.Listener }

// Accept implements net.Listener.
func (crampedListener) Accept() (net.Conn, error) {
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
}

// A hub that may open no more files says so once, and counts whom it does not let in.
func TestNoMoreFiles(t *testing.T) {
	var log bytes.Buffer
	f := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Sessions: 4})
	f.peers.stats = &node.Stats{}
	l := &turnstile{crampedListener{}, f}
	for range 3 {
		if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) {
			t.Fatal(err)
		}
	}
	if n := f.peers.stats.Get(node.RefusedSessions); n != 3 {
		t.Errorf("%d are counted", n)
	}
	if n := strings.Count(log.String(), "ulimit"); n != 1 {
		t.Errorf("%d lines tell of it: %s", n, &log)
	}
}

// Who is refused is told so at once, however busy the machine is, and who refuses does not
// wait for one whose socket is full.
func TestRefusedAreTold(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	say(in, fullAnswer)
	got := make([]byte, len(fullAnswer))
	if _, err := io.ReadFull(out, got); err != nil || !bytes.Equal(got, fullAnswer) {
		t.Errorf("%q, %v", got, err)
	}
	for range 1000 { // 64 MB, which nobody reads
		say(in, make([]byte, 64<<10))
	}
}
