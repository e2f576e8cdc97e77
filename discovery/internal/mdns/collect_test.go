package mdns

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// replyOf lets a responder answer a collector's query.
func replyOf(t *testing.T, r *Responder, c *Collector, id uint16) []byte {
	t.Helper()
	return r.Handle(t0, from(peer, 40000, c.Query(id)))
}

func TestCollect(t *testing.T) {
	c := NewCollector("_topicd._tcp", 10)
	r := NewResponder(identity("Küche 1.5", "gw"), view())
	r.Serve()
	b := replyOf(t, r, c, 9)
	if c.Reply(b, 8, "eth0"); len(c.Found()) != 0 {
		t.Error("took a reply to another query")
	}
	for range 2 {
		if names := c.Reply(b, 9, "eth0"); len(names) == 0 || names[0] != "Küche 1.5" {
			t.Errorf("names %q", names)
		}
	}
	c.Entry(Escape("Küche 1.5"), "GW.local.", 8080, []string{"txtvers=1", "id=0123abcd"}, []net.IP{net.IPv4(10, 0, 0, 1)})
	fs := c.Found()
	if len(fs) != 1 {
		t.Fatalf("found %v", fs)
	}
	f := fs[0]
	want := []netip.Addr{self, netip.MustParseAddr("fe80::1%eth0")}
	if f.Instance != "Küche 1.5" || f.Port != 8080 || fmt.Sprint(f.Addrs) != fmt.Sprint(want) || fmt.Sprint(f.TXT) != "[txtvers=1 id=0123abcd]" {
		t.Errorf("found %+v", f)
	}
}

// TestCollectPieces: a responder that gives one record at a time is asked for
// the others.
func TestCollectPieces(t *testing.T) {
	c := NewCollector("_topicd._tcp", 10)
	r := serve(t)
	for range 4 {
		m := parse(t, replyOf(t, r, c, 9))
		m.Extra = nil
		c.Reply(pack(t, m), 9, "eth0")
	}
	if fs := c.Found(); len(fs) != 1 || len(fs[0].Addrs) != 2 || len(fs[0].TXT) == 0 {
		t.Errorf("found %+v", fs)
	}
}

func TestCollectBounds(t *testing.T) {
	c := NewCollector("_topicd._tcp", 10)
	for i := range 5000 {
		host := fmt.Sprintf("h%d.local.", i)
		name := fmt.Sprintf("n%d.%s", i%20, topicd)
		c.Entry(fmt.Sprintf("n%d", i%20), host, 1, make([]string, 1000), []net.IP{net.IPv4(10, 0, byte(i>>8), byte(i))})
		m := dns.Msg{Answer: []dns.RR{srv(name, 1, TTL), addr(host, "10.0.0.9"), addr("gw.local.", fmt.Sprintf("10.1.%d.%d", i>>8, i&255))}}
		m.Response = true
		c.Reply(pack(t, &m), 0, "eth0")
	}
	if len(c.byKey) > 10 || len(c.addrs) > 20 || !c.Full() {
		t.Errorf("%d services, %d hosts", len(c.byKey), len(c.addrs))
	}
	for _, f := range c.Found() {
		if len(f.Addrs) > maxFoundAddrs || len(f.TXT) > maxTXT {
			t.Errorf("%d addresses, %d strings", len(f.Addrs), len(f.TXT))
		}
	}
	for _, bad := range []string{"", ".", topicd, "a.b." + topicd, "x._other._tcp.local.", strings.Repeat("a.", 200)} {
		if c := NewCollector("_topicd._tcp", 10); c.found(bad) != nil {
			t.Errorf("took %q for an instance", bad)
		}
	}
}
