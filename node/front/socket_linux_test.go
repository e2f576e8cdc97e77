package front

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel knows how long a connection may confirm nothing.
func TestUnackedEnds(t *testing.T) {
	f := New(Options{Dead: 70 * time.Second})
	p, err := f.bind("127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, err := p.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	raw, err := in.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		if ms, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); err != nil || ms != 70_000 {
			t.Error(ms, err)
		}
	})
}
