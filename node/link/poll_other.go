//go:build !linux

package link

import (
	"errors"
	"io"
	"net"
	"syscall"
)

const hasPoll = false

type polling struct{}

func (s *Server) startPoll() error { return errors.New("the poll reader needs Linux") }
func (s *Server) stopPoll()        {}

func (s *Server) newPollSocket(net.Conn, *secure, syscall.RawConn) (socket, error) {
	return nil, errors.New("the poll reader needs Linux")
}

// isEmpty tells whether the socket has nothing to read, its end neither.
func isEmpty(fd int) bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(fd, b[:], syscall.MSG_PEEK)
	return err == syscall.EAGAIN
}

// readFD reads what the socket has, without waiting for more.
func readFD(fd int, p []byte) (int, error) {
	for {
		switch n, err := syscall.Read(fd, p); {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, errAgain
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}
