package discovery

import (
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"topicd/discovery/internal/mdns"
)

// TestFound: two clients that already watch see a hub within two seconds of its
// start, with lifetimes that end soon after its death, and see it go at once.
func TestFound(t *testing.T) {
	l := newLab(t, "avahi-daemon", "avahi-browse", "dbus-daemon")
	gw, desk, phone := l.host("gw"), l.host("desk"), l.host("phone")
	desk.avahi()
	avahi, python, wire := desk.avahiWatch(), phone.python(), phone.sniff()
	time.Sleep(300 * time.Millisecond)

	hub := gw.hub(Service{Port: 8080, Instance: "Küche 1.5", ID: "0123abcd", Auth: "token"})
	began := time.Now()
	// Avahi resolves to an address of either family, whatever the first column.
	const name = `K\195\188che\0321\.5;_topicd._tcp;local`
	resolved := regexp.MustCompile(`=;eth0;IPv4;` + regexp.QuoteMeta(name) + `;gw\.local;(10\.77\.0\.1|fe80::[0-9a-f:]+);8080;`)
	var inAvahi, inPython time.Duration
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("avahi: %s\npython: %s\nhub: %s", avahi(), python(), hub.errs)
			for _, p := range wire.from(gw) {
				t.Logf("%v %v", p.at.Sub(began), p.msg)
			}
		}
	})
	l.until(patience, "found by both", func() bool {
		if inAvahi == 0 && resolved.MatchString(avahi()) {
			inAvahi = time.Since(began)
		}
		if inPython == 0 && strings.Contains(python(), "add Küche 1.5._topicd._tcp.local. 10.77.0.1 port 8080") {
			inPython = time.Since(began)
		}
		return inAvahi > 0 && inPython > 0
	})
	t.Logf("found after: avahi-browse %v, python3-zeroconf %v", inAvahi, inPython)
	if s := avahi(); !strings.Contains(s, `"id=0123abcd"`) || !strings.Contains(s, `"auth=token"`) {
		t.Errorf("TXT in %s", s)
	}
	desk.prints([]string{`"path=/"`}, "avahi-browse", "-rpt", "_http._tcp")

	hub.close()
	ended := time.Now()
	l.until(patience, "gone in both", func() bool {
		return strings.Contains(avahi(), "-;eth0;IPv4;"+name) && strings.Contains(python(), "remove Küche 1.5.")
	})
	t.Logf("gone after %v", time.Since(ended))
	wire.heard(gw, packets)
	checkWire(t, wire.from(gw))
}

// packets are how many a hub multicasts at least: three probes and two announcements.
const packets = 5

// checkWire holds what every packet of a hub must keep.
func checkWire(t *testing.T, all []seen) {
	t.Helper()
	for _, p := range all {
		if p.ipTTL != 255 {
			t.Errorf("IP TTL %d (RFC 6762 section 11)", p.ipTTL)
		}
		for _, rr := range p.records() {
			if ttl := rr.Header().Ttl; ttl > mdns.TTL {
				t.Errorf("a killed hub would be listed for %d s: %s", ttl, rr)
			}
		}
	}
}

// TestKilled: what clients keep of a hub that was killed ends within 120 s, and
// meanwhile the host name still resolves.
func TestKilled(t *testing.T) {
	l := newLab(t)
	gw, phone := l.host("gw"), l.host("phone")
	wire, python := phone.sniff(), phone.python()
	hub := gw.hub(Service{Port: 8080})
	hub.up(1)
	l.until(patience, "found", func() bool { return strings.Contains(python(), "add gw-") })
	if s := python(); !strings.Contains(s, "ttl 120") {
		t.Errorf("python keeps: %s", s)
	}
	wire.heard(gw, packets)
	hub.kill()
	checkWire(t, wire.from(gw))
	for _, p := range wire.from(gw) {
		for _, rr := range p.records() {
			if rr.Header().Ttl == 0 {
				t.Errorf("goodbye of a killed process: %s", rr)
			}
		}
	}
}

// TestTwins: gateways with one name, started together and later, are all listed
// under names of their own, and so are their hosts.
func TestTwins(t *testing.T) {
	l := newLab(t, "avahi-daemon", "avahi-browse", "dbus-daemon")
	a, b, desk := l.host("a"), l.host("b"), l.host("desk")
	desk.avahi()
	s := Service{Port: 8080, Instance: "hub", Host: "gw"}
	first, second := a.hub(s), b.hub(s)
	first.up(1)
	second.up(1)
	third := desk.hub(s)
	third.up(1)
	var names, hosts []string
	l.until(patience, "three names and hosts", func() bool {
		names, hosts = nil, nil
		for _, h := range desk.browse(BrowseOptions{}) {
			names, hosts = append(names, h.Name), append(hosts, h.Host)
		}
		slices.Sort(names)
		slices.Sort(hosts)
		return slices.Equal(names, []string{"hub", "hub (2)", "hub (3)"}) && len(slices.Compact(hosts)) == 3
	})
	desk.prints([]string{`;hub;`, `;hub\032\0402\041;`, `;hub\032\0403\041;`}, "avahi-browse", "-rpt", "_topicd._tcp")
	first.close()
	second.close()
	third.close()
}

// TestHostName: the name resolves long after the announcements, for a client
// that has forgotten all, and by plain DNS queries; no Avahi on the gateway.
func TestHostName(t *testing.T) {
	l := newLab(t, "avahi-daemon", "avahi-resolve", "dbus-daemon")
	gw, desk, phone := l.host("gw"), l.host("desk"), l.host("phone")
	hub := gw.hub(Service{Port: 8080})
	hub.up(1)
	time.Sleep(7500 * time.Millisecond) // the last announcement
	wire := phone.sniff()
	desk.avahi() // knows nothing yet: as after the end of every TTL
	desk.prints([]string{"gw.local\t10.77.0.1"}, "avahi-resolve", "-4", "-n", "gw.local")
	desk.prints([]string{"gw.local\tfe80::"}, "avahi-resolve", "-6", "-n", "gw.local")
	// In another case, to the group.
	wire.clear()
	time.Sleep(time.Second)
	wire.query(t, dns.Question{Name: "GW.Local.", Qtype: dns.TypeA, Qclass: dns.ClassINET},
		dns.Question{Name: "_TOPICD._Tcp.local.", Qtype: dns.TypePTR, Qclass: dns.ClassINET})
	l.until(patience, "an answer in spite of the case", func() bool {
		got := ""
		for _, p := range wire.from(gw) {
			for _, rr := range p.msg.Answer {
				got += dns.TypeToString[rr.Header().Rrtype] + " "
			}
		}
		return strings.Contains(got, "A ") && strings.Contains(got, "PTR ")
	})
	for name, typ := range map[string]uint16{
		"gw.local.": dns.TypeA, "Gw.LOCAL.": dns.TypeAAAA, "_topicd._tcp.local.": dns.TypePTR, "_http._tcp.local.": dns.TypePTR,
	} {
		m := phone.legacy(name, typ)
		if m == nil {
			t.Errorf("no reply to a plain DNS query for %s", name)
			continue
		}
		if m.Id != 4711 || len(m.Question) != 1 || len(m.Answer) == 0 || m.Answer[0].Header().Ttl > 10 {
			t.Errorf("reply to %s: %v", name, m)
		}
	}
	hub.close()
}

// TestAvahiOnGateway: with an Avahi on the board it is Avahi that answers for
// the host name, once; when it ends, the hub does.
func TestAvahiOnGateway(t *testing.T) {
	l := newLab(t, "avahi-daemon", "avahi-browse", "dbus-daemon")
	gw, phone := l.host("gw"), l.host("phone")
	wire := phone.sniff()
	gw.avahi()
	hub := gw.hub(Service{Port: 8080})
	hub.up(1)
	l.until(patience, "Avahi answers for the host", func() bool { return hub.status().Links[0].HostByOther })
	if st := hub.status(); st.Host != "gw.local" {
		t.Errorf("status %+v", st)
	}
	time.Sleep(7300 * time.Millisecond) // announcements are over
	host := dns.Question{Name: "gw.local.", Qtype: dns.TypeA, Qclass: dns.ClassINET}
	answers := func() (n int) {
		for _, p := range wire.from(gw) {
			for _, rr := range p.msg.Answer {
				if a, ok := rr.(*dns.A); ok && a.A.Equal(net.IPv4(10, 77, 0, 1)) {
					n++
				}
			}
		}
		return n
	}
	count := func() int {
		wire.clear()
		wire.query(t, host)
		l.until(patience, "an answer for the host", func() bool { return answers() > 0 })
		time.Sleep(1300 * time.Millisecond) // no second one comes
		return answers()
	}
	// On a busy machine Avahi may answer so late that the hub does too.
	l.until(patience, "one answer while Avahi runs", func() bool { return count() == 1 && hub.status().Links[0].HostByOther })
	gw.prints([]string{";8080;"}, "avahi-browse", "-rpt", "_topicd._tcp") // the board's own Avahi sees the hub
	// Sent to this board alone: the kernel gives it to one socket only, ours.
	to := &net.UDPAddr{IP: net.IPv4(10, 77, 0, 1), Port: mdns.Port}
	if m := phone.legacyTo(to, "_topicd._tcp.local.", dns.TypePTR, 30*time.Second); m == nil || len(m.Answer) != 1 {
		t.Errorf("reply to a query sent to the board: %v", m)
	}
	gw.output("avahi-daemon", "--kill")
	l.until(patience, "one answer after Avahi's end", func() bool { return count() == 1 && !hub.status().Links[0].HostByOther })
	hub.close()
}

// TestNotesProgram runs the Python program of firmware-notes/discovery.md.
func TestNotesProgram(t *testing.T) {
	l := newLab(t, "python3")
	notes, err := os.ReadFile("../firmware-notes/discovery.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(notes), "```python\n")
	program, _, ok := strings.Cut(program, "```\n")
	if !ok {
		t.Fatal("no Python program in the notes")
	}
	gw, desk := l.host("gw"), l.host("desk")
	hub := gw.hub(Service{Port: 8080, ID: "0123abcd", Auth: "token"})
	hub.up(1)
	l.ip("-n", desk.ns, "route", "add", "default", "dev", "eth0")
	desk.prints([]string{"'10.77.0.1', 8080", "'id': '0123abcd'", "'path': '/ws'", "'auth': 'token'"}, "/usr/bin/python3", "-c", program+"\nprint(find())\n")
	hub.close()
}
