package front

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"topicd/codec"
	"topicd/node"
)

// turnstile admits connections before anything is read from them.
type turnstile struct {
	net.Listener
	front *Front
}

// Accept implements net.Listener.
func (l *turnstile) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			l.front.lacks(err)
			return nil, err
		}
		from := tcpAddr(c.RemoteAddr())
		l.front.peers.links.look(from)
		if l.front.peers.enter(from) {
			return c, nil
		}
		say(c, fullAnswer) // nonsense where TLS is expected, and as good as none
		_ = c.Close()
	}
}

// say writes to a socket that has room, as one has that is new or whose peer has asked for
// little before. It waits for none: a deadline that is short enough for that had passed
// before the write where others had the processor for a millisecond.
func say(c net.Conn, b []byte) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := s.SyscallConn(); err == nil {
		_ = raw.Write(func(fd uintptr) bool {
			_, _ = syscall.Write(int(fd), b)
			return true
		})
	}
}

// lacks counts and tells that nobody more is let in for want of open files: they wait
// unheard.
func (f *Front) lacks(err error) {
	if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
		return
	}
	f.peers.stats.Add(node.RefusedSessions, 1)
	if f.opt.Told.First("files", time.Now()) {
		f.opt.Log.Warn("connections cannot be taken: the hub may have no more files open (ulimit -n)", "err", err)
	}
}

var fullAnswer = errorAnswer(&codec.Error{Code: http.StatusServiceUnavailable, Msg: "the hub serves as many connections as it may, or as it may to this address", Retry: 10_000})

// errorAnswer is a whole answer of HTTP, for where nobody has read the request.
func errorAnswer(e *codec.Error) []byte {
	retry, header := "", ""
	if e.Retry > 0 {
		retry, header = `,"retry":`+strconv.Itoa(e.Retry), "Retry-After: "+strconv.Itoa(e.Retry/1000)+"\r\n"
	}
	code := strconv.Itoa(e.Code)
	body := `{"error":{"code":` + code + `,"msg":"` + e.Msg + `"` + retry + "}}\n"
	return []byte("HTTP/1.1 " + code + " " + http.StatusText(e.Code) + "\r\nContent-Type: application/json\r\n" + header +
		"Connection: close\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}
