package access

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func gate(t *testing.T, o Options) (*Gate, *clock) {
	t.Helper()
	c := &clock{time.UnixMilli(1_700_000_000_000)}
	o.Now = c.now
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g, c
}

var (
	here     = netip.MustParseAddr("127.0.0.1")
	near     = netip.MustParseAddr("192.168.1.7")
	stranger = netip.MustParseAddr("8.8.8.8")
)

func code(err *codec.Error) int {
	if err == nil {
		return 0
	}
	return err.Code
}

func TestModes(t *testing.T) {
	for _, c := range []struct {
		mode string
		from string
		pub  int
	}{
		{LAN, "127.0.0.1", 0}, {LAN, "::1", 0}, {LAN, "10.1.2.3", 0}, {LAN, "172.31.255.1", 0}, {LAN, "::ffff:192.168.1.7", 0},
		{LAN, "fd00::7", 0}, {LAN, "fe80::1%eth0", 0}, {LAN, "169.254.3.4", 0}, {LAN, "2001:db8:7::1", 0},
		{LAN, "172.32.0.1", 401}, {LAN, "8.8.8.8", 401}, {LAN, "2001:db8:8::1", 401}, {LAN, "100.64.0.1", 401}, {LAN, "::ffff:8.8.8.8", 401},
		{Token, "127.0.0.1", 401}, {Join, "192.168.1.7", 401},
	} {
		g, _ := gate(t, Options{Mode: c.mode, Admin: "0123456789abcdef", LAN: []netip.Prefix{netip.MustParsePrefix("2001:db8:7::/48")}})
		a, err := netip.ParseAddr(c.from)
		if err != nil {
			t.Fatal(err)
		}
		r, refused := g.Judge(Source{Addr: a}, "")
		if refused != nil {
			t.Fatal(refused)
		}
		if got := code(r.MayPublish([]byte("a/b"))); got != c.pub {
			t.Errorf("%s, %s may publish: %d", c.mode, c.from, got)
		}
		if got := code(r.MayAdmin()); got != 401 {
			t.Errorf("%s, %s may administer: %d", c.mode, c.from, got)
		}
		if r, _ := g.Judge(Source{Addr: a}, "0123456789abcdef"); code(r.MayAdmin()) != 0 || code(r.MayPublish([]byte("a"))) != 0 {
			t.Errorf("%s, %s: the admin may not", c.mode, c.from)
		}
	}
	if r := (&Gate{nobody: &Grant{open: true}, opt: Options{Mode: LAN}}); r.Local(netip.Addr{}) {
		t.Error("an address that is none is the LAN's")
	}
}

func TestGrant(t *testing.T) {
	g, _ := gate(t, Options{})
	text, r, err := g.Create("pump", "", Patterns{Publish: []string{"pump/#"}, Subscribe: []string{"pump/+/set", "weather/#"}}, time.Time{})
	if err != nil || !strings.HasPrefix(text, Prefix) || len(text) != len(Prefix)+43 {
		t.Fatal(text, err)
	}
	for _, c := range []struct {
		err  *codec.Error
		want int
	}{
		{r.MayPublish([]byte("pump/1/rpm")), 0}, {r.MayPublish([]byte("pump")), 0}, {r.MayPublish([]byte("pumps/1")), 403},
		{r.MaySubscribe([]byte("weather/+/rain")), 0}, {r.MaySubscribe([]byte("pump/+/set")), 0}, {r.MaySubscribe([]byte("pump/#")), 403},
		{r.MaySubscribe([]byte("#")), 403}, {r.MaySubscribe([]byte("$sys/stats")), 403}, {r.MayManage([]byte("pump/1")), 403}, {r.MayAdmin(), 403},
	} {
		if code(c.err) != c.want {
			t.Errorf("%v, want %d", c.err, c.want)
		}
	}
	if msg := r.MaySubscribe([]byte("#")).Msg; msg != `this token may subscribe to pump/+/set, weather/#, not "#"` {
		t.Error(msg)
	}
	if !r.MayRead("pump/1/set") || r.MayRead("pump/1/rpm") {
		t.Error("MayRead")
	}
}

func TestTokensAreKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.json")
	g, c := gate(t, Options{Mode: Token, File: file})
	a, _, _ := g.Create("a", "", Patterns{Publish: []string{"a/#"}}, time.Time{})
	b, rb, _ := g.Create("b", "dev1", Patterns{Subscribe: []string{"#"}}, c.t.Add(time.Hour))
	gone, _, _ := g.Create("gone", "", Patterns{Subscribe: []string{"#"}}, time.Time{})
	if err := g.Revoke("gone"); err != nil {
		t.Fatal(err)
	}
	if err := g.Save(); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(file)
	for _, secret := range []string{a, b, gone} {
		if strings.Contains(string(text), secret[len(Prefix):]) {
			t.Error("a token stands in the file")
		}
	}
	if i, err := os.Stat(file); err != nil || i.Mode().Perm() != 0o600 {
		t.Error(i.Mode(), err)
	}
	g, c2 := gate(t, Options{Mode: Token, File: file})
	r, err := g.Judge(Source{Addr: stranger}, b)
	if err != nil || r.Name != "b" || r.Dev != "dev1" || r.ID != rb.ID || code(r.MaySubscribe([]byte("x/#"))) != 0 {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := g.Judge(Source{Addr: stranger}, gone); code(err) != 401 {
		t.Error("revoked, and let in")
	}
	if !g.NextEnd().Equal(c.t.Add(time.Hour)) {
		t.Error(g.NextEnd())
	}
	c2.t = c2.t.Add(time.Hour)
	if _, err := g.Judge(Source{Addr: stranger}, b); code(err) != 401 || !r.Over(c2.t) {
		t.Error("expired, and let in")
	}
	if r, err := g.Judge(Source{Addr: stranger}, a); err != nil || r.Over(c2.t) {
		t.Error(err)
	}
}

// A file that cannot be made sense of lets nobody in and does not stop the hub;
// one of a newer topicd does, and is left alone.
func TestDamagedTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.json")
	for _, bad := range []string{"", "{", "null", "\x00\x00", `{"version":1,"tokens":[{"id":"x","name":"n","sha256":"00","publish":["#"]}]}`} {
		_ = os.WriteFile(file, []byte(bad), 0o600)
		g, err := New(Options{File: file})
		if err != nil || len(g.Tokens()) != 0 {
			t.Errorf("%q: %v", bad, err)
		}
		if b, err := os.ReadFile(file + ".damaged"); err != nil || string(b) != bad {
			t.Errorf("%q is kept as %q, %v", bad, b, err)
		}
	}
	newer := `{"version":2}`
	_ = os.WriteFile(file, []byte(newer), 0o600)
	if _, err := New(Options{File: file}); err == nil {
		t.Error("the tokens of a newer topicd are forgotten")
	}
	if b, _ := os.ReadFile(file); string(b) != newer {
		t.Errorf("and their file is %q", b)
	}
}

func TestBadTokens(t *testing.T) {
	g, c := gate(t, Options{})
	p := Patterns{Publish: []string{"a"}}
	for _, err := range []*codec.Error{
		second(g.Create("", "", p, time.Time{})), second(g.Create("a\nb", "", p, time.Time{})), second(g.Create(strings.Repeat("n", maxName+1), "", p, time.Time{})),
		second(g.Create("n", "", Patterns{}, time.Time{})), second(g.Create("n", "", Patterns{Publish: []string{"a/#/b"}}, time.Time{})),
		second(g.Create("n", "", Patterns{Publish: make([]string, 33)}, time.Time{})), second(g.Create("n", "", p, c.t)),
	} {
		if code(err) != 400 {
			t.Error(err)
		}
	}
	for range maxTokens {
		if _, _, err := g.Create("many", "", p, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := second(g.Create("n", "", p, time.Time{})); code(err) != 507 {
		t.Error(err)
	}
	if err := g.Revoke("many"); code(err) != 409 {
		t.Error(err)
	}
	if err := g.Revoke("none"); code(err) != 404 {
		t.Error(err)
	}
}

func second(_ string, _ *Grant, err *codec.Error) *codec.Error { return err }

// Twenty wrong tokens a minute, then none is looked at, of that address only.
func TestGuesses(t *testing.T) {
	refused := map[int]int{}
	g, c := gate(t, Options{Admin: "0123456789abcdef", Refused: func(code int) { refused[code]++ }})
	for range 20 {
		if _, err := g.Judge(Source{Addr: near}, "wrong"); code(err) != 401 {
			t.Fatal(err)
		}
	}
	_, err := g.Judge(Source{Addr: near}, "0123456789abcdef")
	if code(err) != 429 || err.Retry < 59_000 || err.Retry > 60_001 {
		t.Errorf("%+v", err)
	}
	if _, err := g.Judge(Source{Addr: here}, "0123456789abcdef"); err != nil {
		t.Error("another address is held up:", err)
	}
	if r, err := g.Judge(Source{Addr: near}, ""); err != nil || code(r.MayPublish([]byte("a"))) != 0 {
		t.Error("without a token it may no longer what it might:", err)
	}
	c.t = c.t.Add(time.Minute)
	if _, err := g.Judge(Source{Addr: near}, "0123456789abcdef"); err != nil {
		t.Error(err)
	}
	if refused[401] != 20 || refused[429] != 1 {
		t.Error(refused)
	}
	// Of IPv6 the network counts, and the table is bounded.
	for i := range 20 {
		g.Failed(Source{Addr: netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i+1))})
	}
	if g.Blocked(Source{Addr: netip.MustParseAddr("2001:db8::ffff")}) == nil {
		t.Error("a host of 2^64 addresses goes on guessing")
	}
	for i := range 5000 {
		g.Failed(Source{Addr: netip.AddrFrom4([4]byte{9, 9, byte(i >> 8), byte(i)})})
	}
	if n := len(g.failed.by); n > maxTallies {
		t.Error(n, "addresses are remembered")
	}
	if g.Blocked(Source{Addr: netip.MustParseAddr("2001:db8::ffff")}) == nil {
		t.Error("many others made it forget who guesses most")
	}
}

func TestJoin(t *testing.T) {
	g, c := gate(t, Options{Mode: Join, Joined: Patterns{Publish: []string{"{dev}/#"}, Subscribe: []string{"#"}}})
	if _, _, _, err := g.hello(nil, near, "pump1", "", ""); code(err) != 401 || err.Retry == 0 {
		t.Fatal("joined through a closed window:", err)
	}
	if err := g.OpenJoin(2 * time.Hour); code(err) != 400 {
		t.Error(err)
	}
	if err := g.OpenJoin(5 * time.Minute); err != nil {
		t.Fatal(err)
	}
	r, as, token, err := g.hello(nil, near, "pump1", "", "")
	if err != nil || as != "pump1" || token == "" || code(r.MayPublish([]byte("pump1/rpm"))) != 0 || code(r.MayPublish([]byte("other"))) != 403 {
		t.Fatal(r, as, token, err)
	}
	if _, _, token, err := g.hello(nil, netip.MustParseAddr("203.0.113.7"), "pump9", "", ""); code(err) != 401 || token != "" {
		t.Errorf("a stranger joins: %v", err)
	}
	if _, _, _, err := g.hello(nil, near, "a/b", "", ""); code(err) != 400 {
		t.Error(err)
	}
	if r, _, token, err := g.hello(nil, near, "", "a person", ""); err != nil || token != "" || code(r.MayPublish([]byte("a"))) != 401 {
		t.Error("who is no device joined:", err)
	}
	c.t = c.t.Add(5 * time.Minute)
	if _, _, _, err := g.hello(nil, near, "pump2", "", ""); code(err) != 401 {
		t.Error("the window does not close:", err)
	}
	// The token is the device's, on any connection, and no other's.
	if r2, as, again, err := g.hello(nil, near, "", "", token); err != nil || r2 != r || as != "pump1" || again != "" {
		t.Error(as, again, err)
	}
	if _, _, _, err := g.hello(nil, near, "pump2", "", token); code(err) != 403 {
		t.Error(err)
	}
	if _, _, _, err := g.hello(r, near, "pump2", "", ""); code(err) != 403 {
		t.Error("a second hello makes it another:", err)
	}
	if _, _, _, err := g.hello(r, near, "", "pump2", ""); code(err) != 403 {
		t.Error("a second hello names it another:", err)
	}
	// One that lost its token joins again, and the old one ends.
	_ = g.OpenJoin(time.Minute)
	_, _, token2, err := g.hello(nil, near, "pump1", "", "")
	if err != nil || token2 == token || !r.Over(c.t) || len(g.Tokens()) != 1 {
		t.Error(err, len(g.Tokens()))
	}
	g.CloseJoin()
	if g.JoinLeft() != 0 {
		t.Error("open")
	}
	lan, _ := gate(t, Options{})
	if err := lan.OpenJoin(time.Minute); code(err) != 409 {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	n := Names{Hosts: []string{"hub.example"}, Origins: []string{"https://app.example"}}
	disk := Names{Origins: []string{"null"}} // pages that a browser opens from its disk
	for host, want := range map[string]int{
		"127.0.0.1": 0, "192.0.2.7:22345": 0, "[fd00::7]:80": 0, "[::1]": 0, "localhost:1": 0, "LOCALHOST": 0, "gw.local:80": 0, "gw.local.": 0,
		"hub.example": 0, "HUB.example:443": 0, "evil.example": 421, "localhost.evil.example": 421, "local": 421, "127.0.0.1.evil.example": 421, "": 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if r.Host = host; code(n.Host(r)) != want {
			t.Errorf("Host %q: %v", host, n.Host(r))
		}
	}
	for _, c := range []struct {
		host, origin, site string
		tls                bool
		want               int
	}{
		{"gw.local:22345", "", "", false, 0}, {"gw.local:22345", "file://", "", false, 0}, {"gw.local:22345", "null", "", false, 403},
		{"gw.local:22345", "http://gw.local:22345", "same-origin", false, 0}, {"gw.local:22345", "http://GW.local:22345", "", false, 0},
		{"gw.local:22345", "https://gw.local:22345", "", false, 403}, {"gw.local:22345", "http://gw.local", "", false, 403},
		{"gw.local", "http://gw.local:80", "", false, 0}, {"gw.local:443", "https://gw.local", "", true, 0}, {"gw.local:22345", "https://gw.local:22345", "", true, 0},
		{"gw.local:22345", "http://gw.local:22345.evil.example", "", false, 403}, {"gw.local", "http://gw.local@evil.example", "", false, 403},
		{"gw.local", "http://evil.example", "", false, 403}, {"gw.local", "https://app.example", "cross-site", false, 0}, {"gw.local", "https://app.example.evil", "", false, 403},
		{"gw.local", "", "cross-site", false, 403}, {"gw.local", "", "same-site", false, 403}, {"gw.local", "", "none", false, 0},
		{"[fd00::7]:80", "http://[fd00::7]", "", false, 0},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Host = c.host
		if c.tls {
			r = httptest.NewRequest("POST", "https://x/", nil)
			r.Host = c.host
		}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		if err := n.Origin(r); code(err) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	// What no browser can write is no page's, whichever library wrote it.
	for origin, want := range map[string]int{
		"file://": 0, "https://github.com/gilmaimon/TinyWebsockets": 0, "http://gw.local/": 0, "https://evil.example/": 0, "arduino": 0,
		"esp32 arduino": 0, "ws://gw.local:22345": 0, "wss://evil.example": 0, "WS://evil.example": 0, "gw.local:22345": 0, "http://": 0, "://": 0,
		"http://evil.example?": 0, "": 0,
		"null": 403, "http://localhost": 403, "https://localhost": 403, "capacitor://localhost": 403, "ionic://localhost": 403, "app://evil": 403,
		"chrome-extension://mhdkkkpl": 403, "moz-extension://7b-1": 403, "HTTP://EVIL.example": 403, "http://evil.example:8080": 403,
		"http://user@evil.example": 403, "ws://gw.local http://evil.example": 403, "file:// null": 403, "http://a.example, http://b.example": 403,
		"http://[fd00::9]": 403,
	} {
		r := httptest.NewRequest("GET", "/ws", nil)
		r.Host = "gw.local:22345"
		r.Header.Set("Origin", origin)
		if err := n.Origin(r); code(err) != want {
			t.Errorf("Origin %q: %v", origin, err)
		}
		if r.Header.Set("Sec-Fetch-Site", "cross-site"); n.Origin(r) == nil {
			t.Errorf("Origin %q from a browser that says cross-site", origin)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Origin", "null")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if n.Origin(r) == nil || disk.Origin(r) != nil {
		t.Errorf("a page from a disk: %v, and where it is allowed %v", n.Origin(r), disk.Origin(r))
	}
	r = httptest.NewRequest("POST", "/", nil)
	r.Header["Origin"] = []string{"http://example.com", "http://evil.example"}
	if n.Origin(r) == nil {
		t.Error("two origins")
	}
}

// A device has one token, whoever else says its dev at the same time and however
// long it is; one that is refused keeps its old one.
func TestJoinOnce(t *testing.T) {
	g, err := New(Options{Mode: Join, Joined: Patterns{Publish: []string{"dev/{dev}/#"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.OpenJoin(time.Minute); err != nil {
		t.Fatal(err)
	}
	dev := strings.Repeat("d", maxDev)
	if _, _, err := g.Create("by its owner", dev, everything, time.Time{}); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if _, _, _, err := g.hello(nil, near, dev, "", ""); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := len(g.Tokens()); n != 2 {
			t.Fatal(n, "tokens")
		}
	}
	g.opt.Joined = Patterns{Publish: []string{strings.Repeat("x", codec.MaxTopic) + "{dev}"}}
	if _, _, _, err := g.hello(nil, near, dev, "", ""); err == nil || len(g.Tokens()) != 2 {
		t.Error(err, g.Tokens())
	}
}

// Whoever revokes a token is told how many connections ended with it, though Run is told
// of the change at the same time and ends them, too.
func TestRevokeTellsWhatItCut(t *testing.T) {
	var g *Gate
	var open atomic.Pointer[Grant] // the one connection's
	g, err := New(Options{Cut: func(over func(node.Rights) bool, _ *codec.Error) int {
		if r := open.Load(); r != nil && over(r) && open.CompareAndSwap(r, nil) {
			return 1
		}
		return 0
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { g.Run(ctx) })
	defer run.Wait()
	defer stop()
	for i := range 500 {
		_, grant, err := g.Create("screen", "", everything, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		open.Store(grant)
		if cut, err := g.End(grant.ID); cut != 1 || err != nil {
			t.Fatal(i, cut, err)
		}
	}
}

// Who holds the rights of a token that has ended may do nothing more, cut or not.
func TestRevokedMayNothing(t *testing.T) {
	now := time.Now()
	g, _ := New(Options{Now: func() time.Time { return now }})
	_, revoked, _ := g.Create("a", "", everything, time.Time{})
	_, expired, _ := g.Create("b", "", everything, now.Add(time.Second))
	if err := g.Revoke(revoked.ID); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	g.NextEnd()
	for _, r := range []*Grant{revoked, expired} {
		if err := r.MayPublish([]byte("x")); err == nil || err.Code != codec.CodeUnauthorized {
			t.Error(r.Name, err)
		}
		if r.MayRead("x") {
			t.Error(r.Name, "reads on")
		}
	}
	if _, _, err := g.Create("c", "no/dev", everything, time.Time{}); err == nil {
		t.Error("a token for what is no device")
	}
}

// Neighbours in a network that they share do not pay for one another's guesses;
// who is elsewhere does, for each may have all of its addresses.
func TestFailuresOfNeighbours(t *testing.T) {
	g, _ := gate(t, Options{Near: func(p netip.Prefix) bool {
		return p == netip.MustParsePrefix("2001:db8:7::/64") || p == netip.MustParsePrefix("fd00::/64")
	}})
	for _, c := range []struct {
		one, other string
		blocked    bool
	}{{"2001:db8:7::1", "2001:db8:7::2", false}, {"fd00::1", "fd00::2", false}, {"2001:db8:8::1", "2001:db8:8::2", true}, {"fd01::1", "fd01::2", true}, {"fd01:0:0:1::1", "fd01:0:0:2::1", false},
		{"fe80::1%eth0", "fe80::2%eth0", false}, {"::1", "::2", false}, {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false}, {"198.51.100.1", "198.51.100.2", false}} {
		for range maxFailures {
			g.Failed(Source{Addr: netip.MustParseAddr(c.one)})
		}
		if g.Blocked(Source{Addr: netip.MustParseAddr(c.one)}) == nil {
			t.Error(c.one, "may guess on")
		}
		if blocked := g.Blocked(Source{Addr: netip.MustParseAddr(c.other)}) != nil; blocked != c.blocked {
			t.Error(c.other, blocked)
		}
	}
}

// Each reading is asked about: that makes no garbage, whatever its topic.
func TestAskingAllocatesNothing(t *testing.T) {
	g, _ := gate(t, Options{Mode: LAN, Admin: "0123456789abcdef"})
	grant := g.Look(near, "")
	topic := []byte("a/name/that/is/longer/than/what/the/compiler/keeps/on/a/stack")
	if n := testing.AllocsPerRun(100, func() {
		if err := grant.MayPublish(topic); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A hub that is told to read its tokens again before any was made has none to read; a
// file that is gone while there are some is an error, and they stay.
func TestReloadWithoutAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.json")
	g, _ := gate(t, Options{Mode: Token, File: file})
	if err := g.Reload(); err != nil {
		t.Error(err)
	}
	if _, _, err := g.Create("a", "", Patterns{Publish: []string{"#"}}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := g.Reload(); err == nil {
		t.Error("tokens whose file is gone are forgotten")
	}
}
