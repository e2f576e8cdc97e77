package main

import (
	"context"
	"log/slog"
	"net"

	"topicd/discovery"
	"topicd/node"
	"topicd/node/homeassistant"
	"topicd/node/sense"
	"topicd/node/state"
	"topicd/node/supervisor"
)

// startSide starts what runs beside the hub. It ends with stopSide.
func (s *server) startSide() {
	ctx, stop := context.WithCancel(context.Background())
	s.stopSide = stop
	s.side.Go(func() { s.topics.Run(ctx) })
	s.side.Go(func() { s.gate.Run(ctx) })
	s.side.Go(func() { s.router.Run(ctx) })
	probe := &supervisor.Probe{Accept: func(nc net.Conn, a node.Arrival, d node.Dialect) { s.link.Accept(nc, a, d, nil, nil) }}
	addresses := len(s.front.Listeners())
	s.side.Go(func() { s.manager.Run(ctx, s.hub, probe, addresses, s.log) })
	if s.set.HomeAssistant != "off" {
		s.side.Go(func() { s.ha.Run(ctx) })
	}
	if s.set.Sense {
		s.side.Go(func() { sense.Publish(ctx, s.hub, sense.HostName(), s.log) })
	}
	s.startUplink()
	if !s.set.MDNS {
		return
	}
	port, encrypted := s.front.PublicPort()
	if port == 0 {
		s.log.Info("not advertised: only this machine can reach the hub")
		return
	}
	slog.SetDefault(s.log) // zeroconf writes to the standard logger
	s.adv = discovery.Advertise(ctx, discovery.Service{
		TLS: encrypted, Fingerprint: s.cert.Fingerprint(),
		Port: port, MQTT: s.front.BarePort("mqtt"), Version: version, Ifaces: s.set.Ifaces, Auth: s.gate.Mode(), ID: state.HubID(s.state.File("id"), s.log),
	}, s.log)
}

// homeAssistant is how Home Assistant is told of sensors.
func (s *server) homeAssistant() homeassistant.Options {
	o := homeassistant.Options{Hub: s.hub, Version: version, Log: s.log, Values: s.set.MQTTPayload == "value"}
	switch v := s.set.HomeAssistant; v {
	case "auto":
	case "on":
		o.Always = true
	default:
		o.Prefix = v
	}
	return o
}
