//go:build !linux

package wsock

import (
	"errors"
	"net"
)

const hasPoll = false

type loop struct{}

func (s *Server) startPoll() error { return errors.New("the poll reader needs Linux") }
func (s *Server) stopPoll()        {}

func (s *Server) newPollSocket(*net.TCPConn) (socket, error) {
	return nil, errors.New("the poll reader needs Linux")
}
