package front

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// endUnacked has the kernel end the connections of a listener whose peer confirms
// nothing for so long as a silent one may live (tcp(7), TCP_USER_TIMEOUT). An
// event stream writes a line every 15 s and nobody answers it: where the peer's
// power is lost the kernel would send on for a quarter of an hour.
func (f *Front) endUnacked(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(f.opt.Dead.Milliseconds()))
	})
}
