package main

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"topicd/cmd/internal/command"
)

// --timeout is how long a hub may have no readings, not how long it may take to answer:
// who is slow to let somebody in is reached all the same, and who is no hub is told so.
func TestTimeoutBeginsAtTheHub(t *testing.T) {
	hub := strings.TrimSuffix(strings.TrimPrefix(serveInside(t), "ws://"), "/ws")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				time.Sleep(300 * time.Millisecond) // longer than --timeout
				h, err := net.Dial("tcp", hub)
				if err != nil {
					return
				}
				defer h.Close()
				go func() { _, _ = io.Copy(h, c) }()
				_, _ = io.Copy(c, h)
			}()
		}
	}()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = nobody.Close()
	for _, c := range []struct {
		at, args, want string
		exit           int
	}{
		{l.Addr().String(), "sub nothing --timeout 50ms", "", command.OK},
		{l.Addr().String(), "sub nothing --count 1 --timeout 50ms", "the time is over", command.Timeout},
		{l.Addr().String(), "record nothing --for 50ms", "0 readings", command.OK},
		{nobody.Addr().String(), "sub nothing --timeout 1ms", "cannot reach the hub", command.Unreachable},
		{nobody.Addr().String(), "record nothing --for 1ms", "cannot reach the hub", command.Unreachable},
	} {
		if code, _, errs := runCommand(t, nil, append(strings.Fields(c.args), "--hub", c.at)...); code != c.exit || !strings.Contains(errs, c.want) {
			t.Errorf("%s: %d %s", c.args, code, errs)
		}
	}
}
