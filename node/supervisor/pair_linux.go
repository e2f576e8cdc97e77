package supervisor

import (
	"net"
	"os"
	"syscall"
)

// pair is two ends of a connection that nobody else can reach.
func pair() (a, b net.Conn, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ends := [2]net.Conn{}
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "alive")
		c, e := net.FileConn(f)
		_ = f.Close()
		ends[i] = c
		if e != nil {
			err = e
		}
	}
	return ends[0], ends[1], err
}
