package discovery

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// watched waits until a browse finds (or no longer finds) the hub at an address,
// and tells how long that took.
func (h *host) watched(limit time.Duration, addr string) time.Duration {
	h.t.Helper()
	return h.until(limit, "found at "+addr, func() bool {
		for _, hub := range h.browse(BrowseOptions{Timeout: 300 * time.Millisecond}) {
			for _, a := range hub.Addrs {
				// One without an interface was only overheard, perhaps in a probe.
				if a.Addr().String() == addr && hub.Iface != "" {
					return true
				}
			}
		}
		return false
	})
}

// finds browses until there is one hub, at those addresses.
func (h *host) finds(o BrowseOptions, addrs ...string) (hubs []Hub) {
	h.t.Helper()
	h.until(patience, fmt.Sprintf("one hub at %q", addrs), func() bool {
		hubs = h.browse(o)
		if len(hubs) != 1 {
			return false
		}
		for _, a := range addrs {
			if !strings.Contains(fmt.Sprint(hubs[0].Addrs), a) {
				return false
			}
		}
		return true
	})
	return hubs
}

// TestNetworkChanges is the life of a gateway: started before there is a
// network, given another address, unplugged and plugged in again, link down and
// up. Each is seen by clients within 5 s.
func TestNetworkChanges(t *testing.T) {
	l := newLab(t, "avahi-daemon", "avahi-resolve", "dbus-daemon")
	gw, desk := l.bareHost("gw"), l.host("desk")
	desk.avahi()
	avahi := desk.avahiWatch()
	hub := gw.hub(Service{Port: 8080})
	time.Sleep(1200 * time.Millisecond)
	if st := hub.status(); len(st.Links) != 0 || !strings.Contains(st.Err, "no usable network") {
		t.Errorf("status without a network: %+v", st)
	}

	gw.plug()
	t.Logf("found %v after the first interface came", desk.watched(patience, "10.77.0.1"))

	// DHCP: the old address goes, another comes a little later.
	l.ip("-n", gw.ns, "addr", "del", "10.77.0.1/24", "dev", "eth0")
	time.Sleep(100 * time.Millisecond)
	l.ip("-n", gw.ns, "addr", "add", "10.77.0.51/24", "dev", "eth0")
	began := time.Now()
	t.Logf("found %v after another address", desk.watched(patience, "10.77.0.51"))
	l.until(patience, "the new address in Avahi", func() bool {
		return strings.HasSuffix(strings.TrimSpace(desk.output("avahi-resolve", "-4", "-n", "gw.local")), "\t10.77.0.51")
	})
	t.Logf("resolved by Avahi %v after another address", time.Since(began))

	gw.unplug()
	l.until(patience, "no link when unplugged", func() bool { return len(hub.status().Links) == 0 })
	seen := strings.Count(avahi(), "=;eth0;IPv4;")
	gw.plug()
	t.Logf("found %v after the interface was re-created", desk.watched(patience, "10.77.0.1"))
	l.until(patience, "seen again in Avahi", func() bool {
		return strings.Count(avahi(), "=;eth0;IPv4;") > seen || !strings.Contains(avahi(), "-;eth0;IPv4;")
	})

	for what, dev := range map[string][2]string{
		"carrier":   {l.id, fmt.Sprintf("p%d", gw.n)},
		"interface": {gw.ns, "eth0"},
	} {
		l.ip("-n", dev[0], "link", "set", dev[1], "down")
		time.Sleep(1300 * time.Millisecond)
		l.ip("-n", dev[0], "link", "set", dev[1], "up")
		t.Logf("found %v after the %s came up again", desk.watched(patience, "10.77.0.1"), what)
	}
	hub.close()
}

// TestTwoLinks: a hub on two networks is found on each at the address there,
// and one that goes does not touch the other.
func TestTwoLinks(t *testing.T) {
	l := newLab(t)
	gw, desk := l.host("gw"), l.host("desk")
	l.ip("-n", l.id, "link", "add", "br1", "type", "bridge", "mcast_snooping", "0")
	l.ip("-n", l.id, "link", "set", "br1", "up")
	for _, h := range []*host{gw, desk} {
		port := fmt.Sprintf("q%d", h.n)
		l.ip("-n", l.id, "link", "add", port, "type", "veth", "peer", "name", "wlan0", "netns", h.ns)
		l.ip("-n", l.id, "link", "set", port, "master", "br1", "up")
		l.ip("-n", h.ns, "addr", "add", fmt.Sprintf("10.78.0.%d/24", h.n), "dev", "wlan0")
		l.ip("-n", h.ns, "link", "set", "wlan0", "up")
	}
	hub := gw.hub(Service{Port: 8080})
	hub.up(2)
	hubs := desk.finds(BrowseOptions{}, "10.77.0.1:8080", "10.78.0.1:8080", "%eth0]:8080", "%wlan0]:8080")
	if hubs := desk.finds(BrowseOptions{Ifaces: []string{"wlan*"}, Name: hubs[0].Name}, "10.78.0.1:8080"); strings.Contains(fmt.Sprint(hubs[0].Addrs), "eth0") {
		t.Errorf("on wlan0 alone: %+v", hubs)
	}
	wire := desk.sniff()
	l.ip("-n", gw.ns, "link", "del", "wlan0")
	time.Sleep(1500 * time.Millisecond)
	for _, p := range wire.from(gw) {
		for _, rr := range p.records() {
			if rr.Header().Ttl == 0 {
				t.Errorf("goodbye on the link that stayed: %s", rr)
			}
		}
	}
	hub.up(1)
	hub.close()
}

// TestWatch: a watcher sees hubs come and go, and the loss of its own network.
func TestWatch(t *testing.T) {
	l := newLab(t)
	gw, desk := l.host("gw"), l.host("desk")
	w := desk.hubRole("watch", BrowseOptions{Timeout: 300 * time.Millisecond})
	rounds := func(line string) func() bool {
		n := strings.Count(w.errs.String(), line)
		return func() bool { return strings.Count(w.errs.String(), line) > n }
	}
	l.until(patience, "an empty round", rounds("round: <nil>\n"))
	hub := gw.hub(Service{Port: 8080, Instance: "hub"})
	l.until(patience, "the hub", rounds("round: <nil> hub\n"))
	hub.close()
	l.until(patience, "the hub's end", rounds("round: <nil>\n"))
	desk.unplug()
	l.until(patience, "no network", rounds("round: "+ErrNoNetwork.Error()+"\n"))
	w.close()
}

// TestIPv6Only: a link without IPv4 at all.
func TestIPv6Only(t *testing.T) {
	l := newLab(t)
	gw, desk := l.host("gw"), l.host("desk")
	for _, h := range []*host{gw, desk} {
		l.ip("-n", h.ns, "addr", "flush", "dev", "eth0", "scope", "global")
	}
	hub := gw.hub(Service{Port: 8080, TLS: true})
	hub.up(1)
	for _, h := range []*host{desk, gw} {
		hubs := h.finds(BrowseOptions{})
		url := hubs[0].URL()
		if len(hubs) != 1 || !strings.HasPrefix(url, "wss://[fe80::") || !strings.HasSuffix(url, "%25eth0]:8080/ws") {
			t.Errorf("on %s: %+v at %s", h.name, hubs, url)
		}
	}
	hub.close()
}

// TestMerge: two networks with a hub of the same name each become one.
func TestMerge(t *testing.T) {
	l := newLab(t)
	a, b, c := l.host("a"), l.host("b"), l.host("c")
	l.ip("-n", l.id, "link", "add", "br1", "type", "bridge", "mcast_snooping", "0")
	l.ip("-n", l.id, "link", "set", "br1", "up")
	l.ip("-n", l.id, "link", "set", "p2", "master", "br1")
	s := Service{Port: 8080, Instance: "hub", Host: "gw"}
	first, second := a.hub(s), b.hub(s)
	first.up(1)
	second.up(1)
	if x, y := first.status(), second.status(); x.Name != "hub" || y.Name != "hub" {
		t.Fatalf("names %q and %q", x.Name, y.Name)
	}
	l.ip("-n", l.id, "link", "add", "m0", "type", "veth", "peer", "name", "m1")
	l.ip("-n", l.id, "link", "set", "m0", "master", "br0", "up")
	l.ip("-n", l.id, "link", "set", "m1", "master", "br1", "up")
	wire := c.sniff()
	time.Sleep(1200 * time.Millisecond)
	began := time.Now()
	wire.query(t, dns.Question{Name: "_topicd._tcp.local.", Qtype: dns.TypePTR, Qclass: dns.ClassINET})
	l.until(patience, "two names", func() bool {
		x, y := first.status(), second.status()
		return x.Name != y.Name && x.Host != y.Host && len(c.browse(BrowseOptions{})) == 2
	})
	t.Logf("two names %v after the first query", time.Since(began))
	first.close()
	second.close()
}

// TestPortTaken: a program that holds port 5353 for itself delays us, no more.
func TestPortTaken(t *testing.T) {
	l := newLab(t)
	gw := l.host("gw")
	var c4, c6 net.PacketConn
	gw.in(func() {
		c4, _ = net.ListenPacket("udp4", ":5353")
		c6, _ = net.ListenPacket("udp6", ":5353")
	})
	hub := gw.hub(Service{Port: 8080})
	l.until(patience, "an error", func() bool { return strings.Contains(hub.status().Err, "address already in use") })
	_ = c4.Close()
	_ = c6.Close()
	hub.up(1)
	if n := strings.Count(hub.errs.String(), "will retry"); n != 1 {
		t.Errorf("logged %d times: %s", n, hub.errs)
	}
	hub.close()
}

// TestNothingLeft: Close ends every goroutine.
func TestNothingLeft(t *testing.T) {
	l := newLab(t)
	gw := l.host("gw")
	gw.env = []string{"COUNT=1"}
	hub := gw.hub(Service{Port: 8080})
	hub.up(1)
	hub.close()
}
