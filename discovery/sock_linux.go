package discovery

import "syscall"

// Options that package syscall does not name for every architecture.
const (
	soReusePort     = 15 // SO_REUSEPORT of all architectures Go runs on but mips and sparc64
	ipMulticastAll  = 49
	ip6MulticastAll = 29
)

// prepare sets up a socket for port 5353 of one interface before it is bound.
// Only the first option is needed: the port is shared with Avahi and zeroconf.
// The others keep packets of other interfaces away where the kernel knows them;
// the receiver checks the interface in any case. Binding to the interface also
// makes the kernel prefer this socket for what is sent to this host alone.
func prepare(network string, fd uintptr, ifname string) error {
	s := int(fd)
	if err := syscall.SetsockoptInt(s, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if network == "udp4" {
		_ = syscall.SetsockoptInt(s, syscall.IPPROTO_IP, ipMulticastAll, 0)
	} else {
		_ = syscall.SetsockoptInt(s, syscall.IPPROTO_IPV6, ip6MulticastAll, 0)
	}
	_ = syscall.SetsockoptInt(s, syscall.SOL_SOCKET, soReusePort, 1)
	_ = syscall.BindToDevice(s, ifname) // without privileges since Linux 5.7
	return nil
}
