package mqtt

import (
	"strconv"

	"topicd/codec"
	"topicd/node"
)

// figuresEvery is what Mosquitto has, in milliseconds.
const figuresEvery = 10_000

// figures publishes what the tools of Mosquitto's users read, once somebody does.
func (s *Server) figures(turn *node.Turn) {
	if !s.watched.Load() {
		return
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	if s.told > 0 && turn.Mono-s.told < figuresEvery {
		return
	}
	s.told = turn.Mono
	h := s.hub
	at := make(map[string]int64)
	h.Figures(func(name string, v int64) { at[name] = v })
	s.mu.Lock()
	connected, away, shared := 0, 0, len(s.shares)
	for c := range s.clients.All {
		if c.conn.Load() != nil {
			connected++
		} else {
			away++
		}
	}
	s.mu.Unlock()
	tell := func(name string, v int64) {
		h.PublishOwn("$SYS/broker/"+name, strconv.AppendInt(nil, v, 10), turn)
	}
	say := func(name, v string) { h.PublishOwn("$SYS/broker/"+name, codec.AppendString(nil, codec.JSON, v), turn) }
	say("version", "topicd "+s.cfg.Version)
	say("uptime", strconv.FormatInt(at["uptime"], 10)+" seconds")
	tell("clients/connected", int64(connected))
	tell("clients/active", int64(connected))
	tell("clients/disconnected", int64(away))
	tell("clients/inactive", int64(away))
	tell("clients/total", int64(connected+away))
	tell("subscriptions/count", at["subscriptions"])
	tell("shared_subscriptions/count", int64(shared))
	tell("retained messages/count", at["topics"])
	tell("store/messages/bytes", at["bytes_readings"])
	tell("messages/received", at["published"])
	tell("messages/sent", at["delivered"])
	tell("publish/messages/received", at["published"])
	tell("publish/messages/sent", at["delivered"])
	tell("publish/messages/dropped", at["drop_overrun"])
}
