package main

import (
	"context"
	"net"

	"topicd/discovery"
)

// startSide starts what runs beside the hub. It ends with stopSide.
func (s *server) startSide() {
	ctx, stop := context.WithCancel(context.Background())
	s.stopSide = stop
	if s.set.sense {
		s.side.Go(func() { s.senseLoop(ctx) })
	}
	if !s.set.mdns {
		return
	}
	port := s.publicPort()
	if port == 0 {
		s.log.Info("not advertised: only this machine can reach the hub")
		return
	}
	s.adv = discovery.Advertise(ctx, discovery.Service{Port: port, Version: version, Ifaces: s.set.iface}, s.log)
}

// publicPort is the port of the first listener that others can reach.
func (s *server) publicPort() int {
	for _, l := range s.listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
			return a.Port
		}
	}
	return 0
}
