//go:build !linux

package link

import (
	"errors"
	"net"
	"syscall"
)

const hasPoll = false

type loop struct{}

func (s *Server) startPoll() error { return errors.New("the poll reader needs Linux") }
func (s *Server) stopPoll()        {}

func (s *Server) newPollSocket(net.Conn, *secure, syscall.RawConn) (socket, error) {
	return nil, errors.New("the poll reader needs Linux")
}
