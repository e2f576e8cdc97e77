package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"topicd/cmd/internal/reach"
	"topicd/cmd/internal/settings"
	"topicd/node/client/show"
	"topicd/node/front"
	"topicd/node/sense"
)

func newLog(w io.Writer, set *settings.Settings) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(set.LogLevel)) // the flag has checked it
	o := &slog.HandlerOptions{Level: level}
	if set.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// announce prints what is served and where.
func (s *server) announce(w io.Writer) {
	urls := s.front.URLs()
	m := s.set.Worst()
	if s.set.LogFormat == "json" {
		s.log.Info("serving", "version", version, "urls", urls, "state", s.set.State, "config", s.set.Config,
			"memory_worst", m.Total(), "mdns", bool(s.set.MDNS), "sense", bool(s.set.Sense),
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
	fmt.Fprintf(&b, "state     %s\nconfig    %s\n", s.set.State, s.set.Config)
	if s.set.Sense {
		fmt.Fprintf(&b, "sensors   this board's own, as gateway/%s/…\n", sense.HostName())
	}
	fmt.Fprintf(&b, "access    %s\n", describeAccess(s.gate.Mode()))
	switch {
	case s.admin.made && show.IsTerminal(w):
		fmt.Fprintf(&b, "admin     %s (this once; it is kept in %s)\n", s.admin.token, s.admin.file)
	case s.admin.made: // more people read logs than may administer
		fmt.Fprintf(&b, "admin     a token was made, in %s\n", s.admin.file)
	}
	if s.cert != nil {
		fmt.Fprintf(&b, "tls       certificate SHA-256 %s\n", s.cert.Fingerprint())
		if at := s.front.PhoneDashboard(); at != "" && show.IsTerminal(w) {
			b.WriteString(show.QR(at))
		}
	}
	fmt.Fprintf(&b, "memory    at most %s with every limit reached at once:\n", show.Bytes(m.Total()))
	fmt.Fprintf(&b, "          readings %s, topics %s, connections %s, MQTT %s, subscriptions %s, unread lists %s, durable topics %s, program %s\n",
		show.Bytes(m.Arena), show.Bytes(m.Topics), show.Bytes(m.Sessions+m.Connections), show.Bytes(m.MQTT), show.Bytes(m.Subscriptions), show.Bytes(m.Ready), show.Bytes(m.Store), show.Bytes(m.Program))
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
