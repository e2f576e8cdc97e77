package front

import (
	"net"
	"syscall"
)

// Sockets that the service manager has bound stand for the addresses of the
// configuration: it goes on listening while the hub restarts, and who connects
// meanwhile waits instead of being refused.

// inherited takes the socket from those of the service manager that is bound to
// addr, nil if there is none.
func (f *Front) inherited(addr string) net.Listener {
	want, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil
	}
	for i, l := range f.opt.Inherited {
		have, ok := l.Addr().(*net.TCPAddr)
		if !ok || have.Port != want.Port || !sameHost(have.IP, want.IP) {
			continue
		}
		f.opt.Inherited = append(f.opt.Inherited[:i:i], f.opt.Inherited[i+1:]...)
		f.adopt(l)
		return l
	}
	return nil
}

// sameHost: all addresses are all addresses, however they are written.
func sameHost(a, b net.IP) bool {
	every := func(ip net.IP) bool { return len(ip) == 0 || ip.IsUnspecified() }
	return a.Equal(b) || every(a) && every(b)
}

// adopt gives a socket what bind gives its own.
func (f *Front) adopt(l net.Listener) {
	if c, ok := l.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			_ = f.endUnacked("", "", raw)
		}
	}
}

// rest serves, with all dialects, on sockets that no setting names: who wrote them
// down for the service manager wants them served.
func (f *Front) rest() []*endpoint {
	var es []*endpoint
	for _, l := range f.opt.Inherited {
		f.adopt(l)
		f.opt.Log.Info("a socket of the service manager that no setting names is served", "addr", l.Addr())
		es = append(es, f.endpoint(l, ""))
	}
	f.opt.Inherited = nil
	return es
}
