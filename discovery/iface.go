package discovery

import (
	"net"
	"net/netip"
	"path"
	"strings"
)

// skipped are names of interfaces that lead to containers, virtual machines or
// tunnels, not to a LAN with sensors on it.
var skipped = []string{
	"docker", "veth", "br-", "virbr", "vnet", "lxc", "lxd", "cni", "flannel", "cali", "podman",
	"tun", "tap", "wg", "ppp", "tailscale", "zt", "dummy", "ifb", "sit", "ip6tnl", "gre",
}

// iface is an interface with its addresses, as one look found it.
type iface struct {
	net.Interface
	prefixes []netip.Prefix
}

// usable reports whether mDNS should speak on an interface: it is up with a
// carrier, can multicast, and either was chosen by name or looks like a LAN.
func usable(ifi net.Interface, chosen []string) bool {
	const need = net.FlagUp | net.FlagRunning | net.FlagMulticast
	if ifi.Flags&need != need || ifi.Flags&net.FlagLoopback != 0 {
		return false
	}
	if len(chosen) > 0 {
		for _, pattern := range chosen {
			if ok, err := path.Match(pattern, ifi.Name); ok && err == nil || pattern == ifi.Name {
				return true
			}
		}
		return false
	}
	if ifi.Flags&net.FlagPointToPoint != 0 {
		return false
	}
	for _, prefix := range skipped {
		if strings.HasPrefix(ifi.Name, prefix) {
			return false
		}
	}
	return true
}

// look gives the usable interfaces that have an address, and every address of
// this board.
func look(chosen []string) (found []iface, own []netip.Addr, err error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, nil, err
	}
	for _, ifi := range all {
		prefixes := prefixesOf(ifi)
		for _, p := range prefixes {
			own = append(own, p.Addr())
		}
		if len(prefixes) > 0 && usable(ifi, chosen) {
			found = append(found, iface{Interface: ifi, prefixes: prefixes})
		}
	}
	return found, own, nil
}

func prefixesOf(ifi net.Interface) []netip.Prefix {
	addrs, err := ifi.Addrs()
	if err != nil {
		return nil // it has gone since it was listed
	}
	var out []netip.Prefix
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		if !ok {
			continue
		}
		ip = ip.Unmap()
		ones, bits := n.Mask.Size()
		if ip.Is4() && bits == 128 {
			ones -= 96
		}
		if p := netip.PrefixFrom(ip, ones); p.IsValid() {
			out = append(out, p)
		}
	}
	return out
}
