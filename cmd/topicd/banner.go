package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"topicd/node"
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

// httpLog takes what net/http has to say: of what peers do wrong only who looks
// for it hears, of a mistake of ours everybody.
type httpLog struct{ log *slog.Logger }

// Write implements io.Writer.
func (l httpLog) Write(line []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.HasPrefix(line, []byte("http: panic")) {
		level = slog.LevelError
	}
	l.log.Log(context.Background(), level, string(bytes.TrimSpace(line)))
	return len(line), nil
}

// worst is the most memory that the process takes when all limits are reached
// at once, in bytes.
type worst struct {
	node.Worst
	connections int64 // buffers of the transport
	program     int64 // the runtime and everything else
}

// programBase is the RSS of an idle hub, most of it file-backed code, and a few
// MiB of what the runtime needs to breathe.
const programBase = 16 << 20

func (s *server) worst() worst {
	o := s.set.hub("")
	return worst{
		Worst:       o.Worst(),
		connections: s.set.wsock().Worst(s.set.sessions),
		program:     programBase,
	}
}

func (w worst) total() int64 { return w.Total() + w.connections + w.program }

// heap is the part of it that the collector sees.
func (w worst) heap() int64 { return w.total() - w.Arena }

// announce prints what is served and where.
func (s *server) announce(w io.Writer) {
	urls := s.urls()
	m := s.worst()
	if s.set.logFormat == "json" {
		s.log.Info("serving", "version", version, "urls", urls, "state", s.set.state, "config", s.set.config,
			"memory_worst", m.total(), "mdns", bool(s.set.mdns), "sense", bool(s.set.sense),
			"access", s.gate.Mode(), "admin_token_file", s.admin.file, "tls_fingerprint", s.fingerprint())
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "topicd %s serves\n", version)
	for _, u := range urls { // the dashboard, for people
		fmt.Fprintf(&b, "  %s\n", pageOf(u))
	}
	for _, u := range urls {
		fmt.Fprintf(&b, "  %s\n", u)
	}
	fmt.Fprintf(&b, "state     %s\nconfig    %s\n", s.set.state, s.set.config)
	if s.set.sense {
		fmt.Fprintf(&b, "sensors   this board's own, as gateway/%s/…\n", hostName())
	}
	fmt.Fprintf(&b, "access    %s\n", s.describeAccess())
	if s.admin.made {
		fmt.Fprintf(&b, "admin     %s (this once; it is kept in %s)\n", s.admin.token, s.admin.file)
	}
	if s.cert != nil {
		fmt.Fprintf(&b, "tls       certificate SHA-256 %s\n", s.cert.fingerprint)
		if isTerminal(w) {
			b.WriteString(drawQR(s.pageURL(urls)))
		}
	}
	fmt.Fprintf(&b, "memory    at most %s with every limit reached at once:\n", human(m.total()))
	fmt.Fprintf(&b, "          readings %s, topics %s, connections %s, subscriptions %s, unread lists %s, program %s\n",
		human(m.Arena), human(m.Topics), human(m.Sessions+m.connections), human(m.Subscriptions), human(m.Ready), human(m.program))
	if len(urls) > 0 {
		fmt.Fprintf(&b, "try       topicd sub '#'%s\n", hubFlag(urls[0]))
	}
	io.WriteString(w, b.String())
}

// pageURL is where a phone finds the hub, with the fingerprint to compare.
func (s *server) pageURL(urls []string) string {
	at := ""
	for _, u := range urls { // the network's come behind loopback
		if strings.HasPrefix(u, "wss://") {
			at = u
		}
	}
	return pageOf(at) + "#fp=" + s.cert.fingerprint
}

// networkPage is the dashboard as other machines reach it, "" if they do not.
// Where there is an IPv4 address that is the one: people can read it out.
func networkPage(urls []string) string {
	page := ""
	for _, u := range urls {
		p, err := url.Parse(u)
		if err != nil {
			continue
		}
		ip := net.ParseIP(p.Hostname())
		if ip == nil || ip.IsLoopback() {
			continue
		}
		if ip.To4() != nil {
			return pageOf(u)
		}
		if page == "" {
			page = pageOf(u)
		}
	}
	return page
}

// pageOf is the dashboard of a hub with that WebSocket.
func pageOf(u string) string {
	return "http" + strings.TrimSuffix(strings.TrimPrefix(u, "ws"), "ws") // ws → http, wss → https
}

// hubFlag is the flag that a command on this machine needs to find the hub.
func hubFlag(u string) string {
	if u == defaultHub {
		return ""
	}
	return " --hub " + u
}

// urls are the addresses at which clients reach the hub: loopback first, then
// those of the network.
func (s *server) urls() []string {
	var urls []string
	for _, l := range s.bound {
		a, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			continue
		}
		ips := []net.IP{a.IP}
		if a.IP.IsUnspecified() {
			ips = append([]net.IP{net.IPv4(127, 0, 0, 1)}, networkIPs()...)
		}
		for _, ip := range ips {
			scheme := "ws"
			if l.tls {
				scheme = "wss"
			}
			urls = append(urls, fmt.Sprintf("%s://%s/ws", scheme, net.JoinHostPort(ip.String(), fmt.Sprint(a.Port))))
		}
	}
	return urls
}

// networkIPs are this machine's addresses that others can use as they are;
// link-local ones would need a zone.
func networkIPs() []net.IP {
	var ips []net.IP
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			ips = append(ips, n.IP)
		}
	}
	return ips
}

// human writes bytes for people.
func human(n int64) string {
	switch f := float64(n); {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", f/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", f/(1<<20))
	default:
		return fmt.Sprintf("%.1f GiB", f/(1<<30))
	}
}
