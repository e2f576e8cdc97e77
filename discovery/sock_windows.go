package discovery

import "syscall"

// prepare makes a socket share port 5353 with the system's own responder.
func prepare(_ string, fd uintptr, _ string) error {
	return syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
}
