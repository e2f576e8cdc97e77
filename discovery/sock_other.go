//go:build unix && !linux

package discovery

import "syscall"

// prepare makes a socket share port 5353 with the system's own responder.
func prepare(_ string, fd uintptr, _ string) error {
	if err := syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return err
	}
	return syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEPORT, 1)
}
