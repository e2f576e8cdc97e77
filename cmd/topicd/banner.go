package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"topicd/cmd/internal/reach"
	"topicd/node"
	"topicd/node/client/show"
	"topicd/node/dialect/mqtt"
	"topicd/node/front"
	"topicd/node/sense"
)

func newLog(w io.Writer, set *settings) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(set.logLevel)) // the flag has checked it
	o := &slog.HandlerOptions{Level: level}
	if set.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// worst is the most memory that the process takes when all limits are reached
// at once, in bytes.
type worst struct {
	node.Worst
	connections int64 // buffers of the transport
	store       int64 // of durable topics
	ha          int64 // what Home Assistant is told
	mqtt        int64 // what its clients have beside sessions
	program     int64 // the runtime and everything else
}

// programBase is the RSS of an idle hub, most of it file-backed code, and a few
// MiB of what the runtime needs to breathe.
const programBase = 16 << 20

func (s *server) worst() worst {
	o := s.set.hub("")
	w := o.Worst()
	return worst{
		Worst:       w,
		store:       s.set.storeWorst(o.Topics),
		connections: s.set.link().Worst(s.set.sessions),
		program:     programBase,
		ha:          s.set.homeAssistantWorst(),
		mqtt:        mqtt.Worst(s.set.sessions, o.Subs, int(s.set.maxFrame)),
	}
}

func (w worst) total() int64 { return w.Total() + w.connections + w.mqtt + w.store + w.ha + w.program }

// heap is the part of it that the collector sees.
func (w worst) heap() int64 { return w.total() - w.Arena }

// announce prints what is served and where.
func (s *server) announce(w io.Writer) {
	urls := s.front.URLs()
	m := s.worst()
	if s.set.logFormat == "json" {
		s.log.Info("serving", "version", version, "urls", urls, "state", s.set.state, "config", s.set.config,
			"memory_worst", m.total(), "mdns", bool(s.set.mdns), "sense", bool(s.set.sense),
			"access", s.gate.Mode(), "admin_token_file", s.admin.file, "tls_fingerprint", s.cert.Fingerprint())
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "topicd %s serves\n", version)
	for _, u := range urls { // the dashboard, for people
		if p := front.DashboardOf(u); p != "" {
			fmt.Fprintf(&b, "  %s\n", p)
		}
	}
	for _, u := range urls {
		fmt.Fprintf(&b, "  %s\n", u)
	}
	fmt.Fprintf(&b, "state     %s\nconfig    %s\n", s.set.state, s.set.config)
	if s.set.sense {
		fmt.Fprintf(&b, "sensors   this board's own, as gateway/%s/…\n", sense.HostName())
	}
	fmt.Fprintf(&b, "access    %s\n", describeAccess(s.gate.Mode()))
	if s.admin.made {
		fmt.Fprintf(&b, "admin     %s (this once; it is kept in %s)\n", s.admin.token, s.admin.file)
	}
	if s.cert != nil {
		fmt.Fprintf(&b, "tls       certificate SHA-256 %s\n", s.cert.Fingerprint())
		if at := s.front.PhoneDashboard(); at != "" && show.IsTerminal(w) {
			b.WriteString(show.QR(at))
		}
	}
	fmt.Fprintf(&b, "memory    at most %s with every limit reached at once:\n", show.Bytes(m.total()))
	fmt.Fprintf(&b, "          readings %s, topics %s, connections %s, MQTT %s, subscriptions %s, unread lists %s, durable topics %s, program %s\n",
		show.Bytes(m.Arena), show.Bytes(m.Topics), show.Bytes(m.Sessions+m.connections), show.Bytes(m.mqtt), show.Bytes(m.Subscriptions), show.Bytes(m.Ready), show.Bytes(m.store), show.Bytes(m.program))
	if i := slices.IndexFunc(urls, func(u string) bool { return front.DashboardOf(u) != "" }); i >= 0 {
		fmt.Fprintf(&b, "try       topicd sub '#'%s\n", hubFlag(urls[i]))
	}
	io.WriteString(w, b.String())
}

// hubFlag is the flag that a command on this machine needs to find the hub.
func hubFlag(u string) string {
	if u == reach.DefaultHub {
		return ""
	}
	return " --hub " + u
}
