package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"topicd/discovery/internal/mdns"
)

var (
	group4 = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: mdns.Port}
	group6 = &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: mdns.Port}
)

// datagram is a packet received, with where it came in.
type datagram struct {
	data      []byte
	src       *net.UDPAddr
	ifIndex   int  // 0: unknown
	multicast bool // sent to the group
}

// sockets are the two of one user: the responder's on port 5353 of an
// interface, or a browser's on a port of its own. Either may be nil.
type sockets struct {
	v4 *ipv4.PacketConn
	v6 *ipv6.PacketConn
}

// listen opens port 5353 on an interface. It fails if neither family works.
func listen(ifi net.Interface) (*sockets, error) {
	s := &sockets{}
	lc := func(network string) (net.PacketConn, error) {
		c := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
			var err error
			if e := raw.Control(func(fd uintptr) { err = prepare(network, fd, ifi.Name) }); e != nil {
				return e
			}
			return err
		}}
		return c.ListenPacket(context.Background(), network, fmt.Sprintf(":%d", mdns.Port))
	}
	err4 := s.open4(lc)
	if err4 == nil {
		err4 = errors.Join(s.v4.JoinGroup(&ifi, group4), s.v4.SetMulticastInterface(&ifi))
	}
	err6 := s.open6(lc)
	if err6 == nil {
		err6 = errors.Join(s.v6.JoinGroup(&ifi, group6), s.v6.SetMulticastInterface(&ifi))
	}
	if err4 != nil && err6 != nil {
		s.close()
		return nil, errors.Join(err4, err6)
	}
	return s, nil
}

// listenAny opens a port of the system's choice, to ask from.
func listenAny() (*sockets, error) {
	s := &sockets{}
	lc := func(network string) (net.PacketConn, error) { return net.ListenPacket(network, ":0") }
	err4, err6 := s.open4(lc), s.open6(lc)
	if err4 != nil && err6 != nil {
		return nil, errors.Join(err4, err6)
	}
	return s, nil
}

// open4 and open6 set what every packet of mDNS needs: an IP TTL of 255
// (RFC 6762 section 11) and the interface of what is received.
func (s *sockets) open4(lc func(string) (net.PacketConn, error)) error {
	c, err := lc("udp4")
	if err != nil {
		return err
	}
	s.v4 = ipv4.NewPacketConn(c)
	_ = s.v4.SetControlMessage(ipv4.FlagInterface|ipv4.FlagDst, true)
	_ = s.v4.SetTTL(255)
	_ = s.v4.SetMulticastLoopback(true) // other programs of this board listen too
	return s.v4.SetMulticastTTL(255)
}

func (s *sockets) open6(lc func(string) (net.PacketConn, error)) error {
	c, err := lc("udp6")
	if err != nil {
		return err
	}
	s.v6 = ipv6.NewPacketConn(c)
	_ = s.v6.SetControlMessage(ipv6.FlagInterface|ipv6.FlagDst, true)
	_ = s.v6.SetHopLimit(255)
	_ = s.v6.SetMulticastLoopback(true)
	return s.v6.SetMulticastHopLimit(255)
}

// send multicasts a packet on an interface. It fails if no family took it.
func (s *sockets) send(b []byte, ifIndex int) error {
	var errs [2]error
	sent := false
	if s.v4 != nil {
		_, errs[0] = s.v4.WriteTo(b, &ipv4.ControlMessage{IfIndex: ifIndex}, group4)
		sent = errs[0] == nil
	}
	if s.v6 != nil {
		_, errs[1] = s.v6.WriteTo(b, &ipv6.ControlMessage{IfIndex: ifIndex}, group6)
		sent = sent || errs[1] == nil
	}
	if sent {
		return nil
	}
	return errors.Join(errs[:]...)
}

// reply sends a packet to one host.
func (s *sockets) reply(b []byte, to *net.UDPAddr) {
	// A reply that is lost is asked for again.
	if to.IP.To4() != nil && s.v4 != nil {
		_, _ = s.v4.WriteTo(b, nil, to)
	} else if s.v6 != nil {
		_, _ = s.v6.WriteTo(b, nil, to)
	}
}

// readers gives one function to read from each socket that is open.
func (s *sockets) readers() (rs []func([]byte) (datagram, error)) {
	if s.v4 != nil {
		rs = append(rs, func(buf []byte) (datagram, error) {
			n, cm, src, err := s.v4.ReadFrom(buf)
			d := datagram{data: buf[:n], multicast: true}
			d.src, _ = src.(*net.UDPAddr)
			if cm != nil {
				d.ifIndex, d.multicast = cm.IfIndex, cm.Dst.IsMulticast()
			}
			return d, err
		})
	}
	if s.v6 != nil {
		rs = append(rs, func(buf []byte) (datagram, error) {
			n, cm, src, err := s.v6.ReadFrom(buf)
			d := datagram{data: buf[:n], multicast: true}
			d.src, _ = src.(*net.UDPAddr)
			if cm != nil {
				d.ifIndex, d.multicast = cm.IfIndex, cm.Dst.IsMulticast()
			}
			return d, err
		})
	}
	return rs
}

func (s *sockets) close() {
	if s.v4 != nil {
		_ = s.v4.Close()
	}
	if s.v6 != nil {
		_ = s.v6.Close()
	}
}

func addrPort(a *net.UDPAddr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	return a.AddrPort()
}
