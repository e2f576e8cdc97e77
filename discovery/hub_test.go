package discovery

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"topicd/discovery/internal/mdns"
)

func TestURL(t *testing.T) {
	for want, h := range map[string]Hub{
		"ws://10.0.0.1:8080/ws":          {Addrs: addrs("10.0.0.1:8080"), Path: "/ws"},
		"wss://[fe80::1%25eth0]:443/a":   {Addrs: addrs("[fe80::1%eth0]:443"), Path: "/a", TLS: true},
		"ws://[2001:db8::1]:80/ws":       {Addrs: addrs("[2001:db8::1]:80", "10.0.0.1:80"), Path: "/ws"},
		"":                               {Path: "/ws"},
		"ws://[fe80::1%25wlan0.7]:80/ws": {Addrs: addrs("[fe80::1%wlan0.7]:80"), Path: "/ws"},
	} {
		if got := h.URL(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func addrs(ss ...string) (out []netip.AddrPort) {
	for _, s := range ss {
		out = append(out, netip.MustParseAddrPort(s))
	}
	return out
}

func TestDisplay(t *testing.T) {
	for in, want := range map[string]string{
		"Küche 1.5":          "Küche 1.5",
		"a\x1b[31mred\x07":   `a\x1b[31mred\x07`,
		"new\nline\ttab":     `new\x0aline\x09tab`,
		"\u202egnp.exe":      `\u202egnp.exe`,
		"bad\xff\xfe":        `bad\xff\xfe`,
		`back\slash`:         `back\\slash`,
		"zero\u200bwidth":    `zero\u200bwidth`,
		"\x7f":               `\x7f`,
		"日本 \u00a0":          `日本 \u00a0`,
		"\x00":               `\x00`,
		"quote\" and 'that'": "quote\" and 'that'",
	} {
		if got := Display(in); got != want {
			t.Errorf("Display(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestNewHub(t *testing.T) {
	good := mdns.Found{
		Instance: "hub", Host: `gw\ 1.local.`, Port: 8080, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")},
		TXT: []string{"txtvers=1", "PATH=/x", "path=/second", "tls=1", "auth=token", "flag", "=none", "k\x01=v", "id=abc", "ver=1.2", "fp=00ff"},
	}
	h, ok := newHub(good, "eth0", time.Time{})
	if !ok || h.Path != "/x" || !h.TLS || h.Auth != "token" || h.ID != "abc" || h.Version != "1.2" ||
		h.Fingerprint != "00ff" || h.Host != "gw 1.local" || len(h.TXT) != 8 {
		t.Errorf("%v %+v", ok, h)
	}
	for what, change := range map[string]func(*mdns.Found){
		"no address":     func(f *mdns.Found) { f.Addrs = nil },
		"no name":        func(f *mdns.Found) { f.Instance = "" },
		"long name":      func(f *mdns.Found) { f.Instance = strings.Repeat("x", 64) },
		"other protocol": func(f *mdns.Found) { f.TXT = []string{"proto=mqtt"} },
	} {
		f := good
		change(&f)
		if h, ok := newHub(f, "", time.Time{}); ok {
			t.Errorf("%s: taken as %+v", what, h)
		}
	}
	for _, path := range []string{"ws", "", "/a b", "/\x1b", "/a\"b", "//ü", "/<x>"} {
		f := good
		f.TXT = []string{"path=" + path}
		if h, _ := newHub(f, "", time.Time{}); h.Path != "/ws" {
			t.Errorf("path %q became %q", path, h.Path)
		}
	}
}

func TestPick(t *testing.T) {
	a := Hub{Name: "Hub", Host: "gw.local", ID: "00000001"}
	b := Hub{Name: "hub", Host: "gw-2.local", ID: "00000002"}
	c := Hub{Name: "esc\x1b", Host: "gw-2.local"}
	for _, k := range []struct {
		hubs []Hub
		name string
		want string
		err  error
	}{
		{nil, "", "", ErrNotFound},
		{[]Hub{a}, "", "Hub", nil},
		{[]Hub{a, b}, "", "", ErrSeveral},
		{[]Hub{a, b}, "hub", "hub", nil},
		{[]Hub{a, b}, "HUB", "", ErrSeveral},
		{[]Hub{a, b}, "gw.local", "Hub", nil},
		{[]Hub{a, b}, "00000002", "hub", nil},
		{[]Hub{a, b, c}, `esc\x1b`, "esc\x1b", nil},
		{[]Hub{a, b, c}, "GW-2.local", "", ErrSeveral},
		{[]Hub{a}, "other", "", ErrNotFound},
	} {
		h, err := Pick(k.hubs, k.name)
		if h.Name != k.want || !errors.Is(err, k.err) {
			t.Errorf("Pick(%d hubs, %q) = %q, %v", len(k.hubs), k.name, h.Name, err)
		}
	}
}

func TestServiceDefaults(t *testing.T) {
	s := Service{Host: "My Gateway_1", ID: "0123abcd", Port: 80}.withDefaults()
	if s.Host != "My-Gateway-1" || s.Instance != "My-Gateway-1-0123" || s.Path != "/ws" || s.Auth != "none" {
		t.Errorf("%+v", s)
	}
	s = Service{}.withDefaults()
	if len(s.ID) != 8 || s.Host == "" || !strings.HasPrefix(s.Instance, s.Host+"-"+s.ID[:4]) {
		t.Errorf("%+v", s)
	}
	for in, want := range map[string]string{"": "topicd", "localhost": "topicd", "ü": "topicd", "-a-": "a"} {
		if got := hostLabel(in); got != want {
			t.Errorf("hostLabel(%q) = %q", in, got)
		}
	}
	for in, want := range map[string]string{"\x00 ": "topicd", "a\xffb\n": "ab", strings.Repeat("ü", 40): strings.Repeat("ü", 31)} {
		if got := trimName(in); got != want {
			t.Errorf("trimName(%q) = %q", in, got)
		}
	}
}

func TestTXT(t *testing.T) {
	long := strings.Repeat("x\\\"\n\xff", 100)
	s := Service{Auth: long, Version: long, ID: long, Path: long, Fingerprint: long, TLS: true}
	total := 0
	for i, kv := range s.txt() {
		key, value, ok := strings.Cut(kv, "=")
		if i == 0 && key != "txtvers" || !ok || len(key) > 9 || strings.ContainsAny(value, "\\\"\n") || !printable(value) || len(kv) > 255 {
			t.Errorf("string %d: %q", i, kv)
		}
		total += 1 + len(kv)
	}
	if total > 270 {
		t.Errorf("%d bytes of TXT", total)
	}
	s = Service{Auth: "token", Version: "1.2.3", ID: "0123abcd", Path: "/ws", Fingerprint: strings.Repeat("f", 64), TLS: true}
	total = 0
	for _, kv := range s.txt() {
		total += 1 + len(kv)
	}
	if total > 200 {
		t.Errorf("%d bytes of TXT with usual values", total)
	}
	types := func(s Service) (out []string) {
		for _, sv := range s.identity("i", "h").Services {
			out = append(out, sv.Type)
		}
		return out
	}
	for want, s := range map[string]Service{
		"_topicd._tcp _http._tcp": {}, "_topicd._tcp _https._tcp": {TLS: true}, "_topicd._tcp": {NoHTTP: true}, "_topicd._tcp _http._tcp _mqtt._tcp": {MQTT: 1883},
	} {
		if got := strings.Join(types(s), " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestUsable(t *testing.T) {
	const good = net.FlagUp | net.FlagRunning | net.FlagMulticast | net.FlagBroadcast
	for _, c := range []struct {
		name   string
		flags  net.Flags
		chosen []string
		want   bool
	}{
		{"eth0", good, nil, true},
		{"wlan0", good, nil, true},
		{"enx001122", good, nil, true},
		{"br0", good, nil, true},
		{"usb0", good, nil, true},
		{"docker0", good, nil, false},
		{"veth12", good, nil, false},
		{"br-1234", good, nil, false},
		{"wg0", good &^ net.FlagBroadcast, nil, false},
		{"ppp0", good | net.FlagPointToPoint, []string{"ppp0"}, true},
		{"lo", good | net.FlagLoopback, []string{"lo"}, false},
		{"eth0", good &^ net.FlagUp, nil, false},
		{"eth0", good &^ net.FlagRunning, []string{"eth0"}, false},
		{"docker0", good, []string{"docker0"}, true},
		{"eth0", good, []string{"wlan*"}, false},
		{"wlan1", good, []string{"eth0", "wlan*"}, true},
		{"a[", good, []string{"a["}, true},
	} {
		if got := usable(net.Interface{Name: c.name, Flags: c.flags}, c.chosen); got != c.want {
			t.Errorf("%s with flags %v, chosen %q: %v", c.name, c.flags, c.chosen, got)
		}
	}
}
