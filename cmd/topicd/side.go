package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"

	"topicd/discovery"
)

// startSide starts what runs beside the hub. It ends with stopSide.
func (s *server) startSide() {
	ctx, stop := context.WithCancel(context.Background())
	s.stopSide = stop
	s.side.Go(func() { s.keeper.keepLoop(ctx) })
	s.side.Go(func() { s.accessLoop(ctx) })
	s.side.Go(func() { s.dialects.webchannel.Run(ctx) })
	if s.set.sense {
		s.side.Go(func() { s.senseLoop(ctx) })
	}
	if !s.set.mdns {
		return
	}
	port, encrypted := s.publicPort()
	if port == 0 {
		s.log.Info("not advertised: only this machine can reach the hub")
		return
	}
	slog.SetDefault(s.log) // zeroconf writes to the standard logger
	s.adv = discovery.Advertise(ctx, discovery.Service{
		TLS: encrypted, Fingerprint: s.fingerprint(),
		Port: port, Version: version, Ifaces: s.set.iface, Auth: s.gate.Mode(), ID: s.hubID(),
	}, s.log)
}

// hubID is the hub's own number, made at its first start: boards flashed from
// one image must not share it. Without a place to keep it the machine's serves.
func (s *server) hubID() string {
	file := filepath.Join(s.set.state, "id")
	if b, err := os.ReadFile(file); err == nil {
		if id := strings.TrimSpace(string(b)); len(id) == 8 && strings.Trim(id, "0123456789abcdef") == "" {
			return id
		}
	}
	id := fmt.Sprintf("%08x", rand.Uint32())
	if err := os.WriteFile(file, []byte(id+"\n"), 0o600); err != nil {
		s.log.Warn("the hub's id cannot be kept", "err", err)
		return ""
	}
	return id
}

// publicPort is the port of the first listener that others can reach.
func (s *server) publicPort() (port int, encrypted bool) {
	for _, l := range s.bound {
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
			return a.Port, l.tls
		}
	}
	return 0, false
}
