package discovery

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"topicd/discovery/internal/mdns"
)

// The service types. RFC 6335 section 5.1: at most 15 letters, digits, hyphens.
const (
	ServiceType = "_topicd._tcp"
	httpType    = "_http._tcp"
	httpsType   = "_https._tcp"
	mqttType    = "_mqtt._tcp"
)

// Service is what a hub says about itself. Port must be set; every other field
// has a default. Nothing here may be secret or change while the hub runs: TXT
// records are cached by everyone.
type Service struct {
	Instance string // what people see; default: Host, "-" and the first 4 digits of ID
	Host     string // label of the host name, "gw" for gw.local; default: this machine's
	Port     int

	TLS         bool
	Fingerprint string // SHA-256 of the TLS certificate in hex; a hint, to be pinned by the client
	Auth        string // "lan", "token", "join", "none"; default "none"
	Version     string // of the program
	ID          string // 8 hex digits that stay with this hub; default: made from /etc/machine-id
	Path        string // of the WebSocket; default "/ws"

	// Ifaces are the names of the interfaces to speak on, or patterns
	// ("eth*"). Empty: all that are up, can multicast, have an address and do not
	// belong to containers, virtual machines or tunnels.
	Ifaces []string
	MQTT   int  // port of MQTT without TLS, listed as _mqtt._tcp; 0 = none
	NoHTTP bool // do not list the dashboard as _http._tcp (_https._tcp with TLS)

	// Poll is how often interfaces and addresses are looked at; default 500 ms
	// (0.4 ms of CPU each on a small virtual machine).
	Poll time.Duration
}

func (s Service) withDefaults() Service {
	if s.Host == "" {
		s.Host, _ = os.Hostname()
		s.Host, _, _ = strings.Cut(s.Host, ".")
	}
	s.Host = hostLabel(s.Host)
	if s.ID == "" {
		s.ID = boardID()
	}
	if s.Instance == "" {
		s.Instance = s.Host + "-" + s.ID[:min(4, len(s.ID))]
	}
	s.Instance = trimName(s.Instance)
	if s.Path == "" {
		s.Path = "/ws"
	}
	if s.Auth == "" {
		s.Auth = "none"
	}
	if s.Poll <= 0 {
		s.Poll = 500 * time.Millisecond
	}
	return s
}

// identity is what the responder and zeroconf are given.
func (s Service) identity(instance, host string) mdns.Identity {
	id := mdns.Identity{Instance: instance, Host: host}
	id.Services = append(id.Services, mdns.Service{Type: ServiceType, Port: uint16(s.Port), TXT: s.txt()})
	if !s.NoHTTP {
		typ := httpType
		if s.TLS {
			typ = httpsType
		}
		id.Services = append(id.Services, mdns.Service{Type: typ, Port: uint16(s.Port), TXT: []string{"path=/"}})
	}
	if s.MQTT > 0 {
		id.Services = append(id.Services, mdns.Service{Type: mqttType, Port: uint16(s.MQTT), TXT: []string{"txtvers=1"}})
	}
	return id
}

// txt gives the TXT strings, at most 270 bytes in all and 180 with usual values. "txtvers" stands first
// (RFC 6763 section 6.7) and every key has at most 9 letters (6.4).
func (s Service) txt() []string {
	tls := "0"
	if s.TLS {
		tls = "1"
	}
	out := []string{
		"txtvers=1",
		"path=" + plain(s.Path, 64),
		"proto=topicd.v1",
		"enc=json,cbor",
		"id=" + plain(s.ID, 16),
		"tls=" + tls,
		"auth=" + plain(s.Auth, 16),
	}
	if s.Version != "" {
		out = append(out, "ver="+plain(s.Version, 32))
	}
	if s.Fingerprint != "" {
		out = append(out, "fp="+plain(s.Fingerprint, 64))
	}
	return out
}

// plain keeps what may stand in a TXT value of ours: printable ASCII, and no
// backslash or quote, which the DNS library would take for an escape.
func plain(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '\\' || r == '"' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), limit)]
}

// hostLabel makes a host label of letters, digits and hyphens (RFC 1123 section 2.1).
func hostLabel(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			return r
		case r == '_' || r == ' ' || r == '.':
			return '-'
		}
		return -1
	}, s)
	s = strings.Trim(s[:min(len(s), mdns.MaxLabel)], "-")
	if s == "" || strings.EqualFold(s, "localhost") {
		return "topicd"
	}
	return s
}

// trimName makes an instance name of what the user wrote: valid UTF-8 without
// control characters, at most 63 bytes (RFC 6763 section 4.1.1).
func trimName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	for len(s) > mdns.MaxLabel {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	if strings.TrimSpace(s) == "" {
		return "topicd"
	}
	return s
}

// boardID is 8 hex digits that stay the same on this machine. The machine id
// itself is not to be shown to the network (machine-id(5)).
func boardID() string {
	sum := [32]byte{}
	if b, err := os.ReadFile("/etc/machine-id"); err == nil && len(b) >= 32 {
		sum = sha256.Sum256(append([]byte("topicd "), b...))
	} else {
		_, _ = rand.Read(sum[:]) // never fails: crypto/rand.Read
	}
	return hex.EncodeToString(sum[:4])
}
