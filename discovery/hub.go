package discovery

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"topicd/discovery/internal/mdns"
)

// Hub is a hub that answered a browse. All of it is hearsay: anyone on the
// network can claim anything, so a client must not send a token to a hub it
// does not know otherwise. Show names with [Display].
type Hub struct {
	Name  string           `json:"name"`  // instance, as its owner wrote it: any bytes
	Host  string           `json:"host"`  // "gw.local"
	Addrs []netip.AddrPort `json:"addrs"` // in the order to be tried; link-local IPv6 has its zone

	TLS         bool              `json:"tls"`
	Auth        string            `json:"auth,omitempty"`
	Version     string            `json:"version,omitempty"`
	ID          string            `json:"id,omitempty"`
	Path        string            `json:"path"`
	Fingerprint string            `json:"fingerprint,omitempty"`
	TXT         map[string]string `json:"txt,omitempty"`

	Iface string    `json:"iface,omitempty"` // interface of the reply, if known
	Seen  time.Time `json:"seen"`
}

// URL is the hub's WebSocket at its first address: "ws://192.0.2.7:8080/ws",
// "wss://[fe80::1%25eth0]:8443/ws". It is empty for a hub without an address.
func (h Hub) URL() string {
	if len(h.Addrs) == 0 {
		return ""
	}
	scheme := "ws"
	if h.TLS {
		scheme = "wss"
	}
	a := h.Addrs[0]
	host := a.Addr().String()
	if a.Addr().Is6() {
		// RFC 6874 section 2: the zone's "%" is written as "%25".
		host = "[" + strings.Replace(host, "%", "%25", 1) + "]"
	}
	return scheme + "://" + host + ":" + strconv.Itoa(int(a.Port())) + h.Path
}

// Display writes a name that came from the network so that it can be printed:
// what is not printable, and the characters that change the direction of text,
// appear as \x1b or \u202e.
func Display(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); {
		r, size := utf8.DecodeRuneInString(name[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, name[i])
		case r == '\\':
			b.WriteString(`\\`)
		case r < 0x80 && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// newHub checks what was found and makes a Hub of it; ok is false for junk.
func newHub(f mdns.Found, zone string, now time.Time) (h Hub, ok bool) {
	if f.Instance == "" || len(f.Instance) > mdns.MaxLabel {
		return Hub{}, false
	}
	h = Hub{
		Name: f.Instance, Host: strings.TrimSuffix(mdns.Unescape(f.Host), "."),
		Path: "/ws", TXT: map[string]string{}, Iface: zone, Seen: now,
	}
	for _, a := range f.Addrs {
		h.Addrs = append(h.Addrs, netip.AddrPortFrom(a, f.Port))
	}
	for _, s := range f.TXT {
		// RFC 6763 section 6.4: keys compare without regard to case, the first
		// of two counts, one without "=" is a flag.
		key, value, _ := strings.Cut(s, "=")
		key = strings.ToLower(key)
		if _, dup := h.TXT[key]; key != "" && !dup && printable(key) {
			h.TXT[key] = value
		}
	}
	if proto := h.TXT["proto"]; proto != "" && !strings.HasPrefix(proto, "topicd.") {
		return Hub{}, false
	}
	h.TLS = h.TXT["tls"] == "1"
	h.Auth, h.Version, h.ID, h.Fingerprint = h.TXT["auth"], h.TXT["ver"], h.TXT["id"], h.TXT["fp"]
	if p := h.TXT["path"]; strings.HasPrefix(p, "/") && printable(p) && !strings.ContainsAny(p, "\\\"<> ") {
		h.Path = p
	}
	return h, len(h.Addrs) > 0
}

func printable(s string) bool {
	for _, r := range s {
		if r < ' ' || r > '~' {
			return false
		}
	}
	return true
}

// zoneOf gives the interface that link-local addresses of a packet belong to.
// What this board says to itself comes over the loopback: its source address
// tells the interface.
func zoneOf(d datagram) string {
	if d.src != nil && d.src.Zone != "" && d.src.Zone != "lo" {
		return d.src.Zone
	}
	ifi, err := net.InterfaceByIndex(d.ifIndex)
	if err == nil && ifi.Flags&net.FlagLoopback == 0 {
		return ifi.Name
	}
	all, _, err := look([]string{"*"})
	if err != nil || d.src == nil {
		return ""
	}
	for _, i := range all {
		for _, p := range i.prefixes {
			if p.Addr() == d.src.AddrPort().Addr().Unmap().WithZone("") {
				return i.Name
			}
		}
	}
	return ""
}
