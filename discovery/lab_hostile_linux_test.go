package discovery

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/miekg/dns"

	"topicd/discovery/internal/mdns"
	"topicd/node/nodetest/race"
)

// TestFlood: 3,000 queries get one multicast answer per record and second, and
// who asks properly is still answered.
func TestFlood(t *testing.T) {
	l := newLab(t)
	gw, bad, phone := l.host("gw"), l.host("bad"), l.host("phone")
	hub := gw.hub(Service{Port: 8080, Instance: "hub", Host: "gw"})
	hub.up(1)
	time.Sleep(7500 * time.Millisecond) // announcements are over
	attack, wire := bad.sniff(), phone.sniff()
	questions := [][]byte{}
	for name, typ := range map[string]uint16{
		"_topicd._tcp.local.": dns.TypePTR, "hub._topicd._tcp.local.": dns.TypeANY,
		"gw.local.": dns.TypeA, "_services._dns-sd._udp.local.": dns.TypePTR,
	} {
		m := dns.Msg{Question: []dns.Question{{Name: name, Qtype: typ, Qclass: dns.ClassINET}}}
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		questions = append(questions, b)
	}
	next := func(i int) []byte { return questions[i%len(questions)] }
	began := time.Now()
	took := attack.flood(t, 3000, time.Millisecond, next)
	// It asks three times, as firmware does: where the hub's queue is full the kernel drops a packet.
	tries := 0
	for reply := (*dns.Msg)(nil); reply == nil; tries++ {
		if tries == 3 {
			t.Fatal("no reply to another client under the flood")
		}
		reply = phone.legacy("_topicd._tcp.local.", dns.TypePTR)
	}
	took += attack.flood(t, 3000, 50*time.Millisecond, next)
	var count map[string]int
	heard := 0
	l.until(patience, "each of 7 records three times", func() bool {
		took += attack.flood(t, 50, 0, next)
		count, heard = map[string]int{}, 0
		for _, p := range wire.from(gw) {
			heard++
			for _, rr := range p.records() {
				count[rr.String()]++
			}
		}
		least := heard
		for _, n := range count {
			least = min(least, n)
		}
		return len(count) >= 7 && least >= 3
	})
	span := time.Since(began) // 4 s, or what a busy machine makes of them; package mdns holds each second
	for key, n := range count {
		if n > int(span/time.Second)+1 {
			t.Errorf("%s: %d times in %v", key, n, span)
		}
	}
	st := hub.status()
	t.Logf("6000 queries and more in %v, asked %d times: %d packets with %d records; %+v, RSS %d kB", took, tries, heard, len(count), st.Stats, st.RSS>>10)
	if len(count) != 7 {
		t.Errorf("%d records answered, want 7", len(count))
	}
	hub.close()
}

// TestHostile: 60,000 broken packets, forged goodbyes and claims, and a hub that
// is still there with the name it had.
func TestHostile(t *testing.T) {
	l := newLab(t)
	gw, bad := l.host("gw"), l.host("bad")
	hub := gw.hub(Service{Port: 8080, Instance: "hub", Host: "gw"})
	hub.up(1)
	attack := bad.sniff()
	legal := mdns.NewResponder(mdns.Identity{Instance: "hub", Host: "gw", Services: []mdns.Service{
		{Type: ServiceType, Port: 8080, TXT: []string{"txtvers=1"}}}}, mdns.View{})
	ask := dns.Msg{Question: []dns.Question{{Name: "_topicd._tcp.local.", Qtype: dns.TypePTR, Qclass: dns.ClassINET}}}
	b, err := ask.Pack()
	if err != nil {
		t.Fatal(err)
	}
	seeds := [][]byte{legal.Probe(), b}
	rng := rand.New(rand.NewPCG(3, 4))
	before := hub.status()
	took := attack.flood(t, 60000, time.Millisecond, func(i int) []byte {
		p := append([]byte(nil), seeds[i%2]...)
		for range 1 + rng.IntN(5) {
			p[2+rng.IntN(len(p)-2)] = byte(rng.Uint32())
		}
		return p[:12+rng.IntN(len(p)-11)]
	})
	// Its answer says that it has read all: what is sent next finds room in its socket,
	// and a second later room below the limit.
	l.until(patience, "it has read all", func() bool {
		return bad.legacyTo(group4, "_topicd._tcp.local.", dns.TypePTR, 3*time.Second) != nil
	})
	time.Sleep(1500 * time.Millisecond)
	after := hub.status()
	t.Logf("60000 packets in %v: RSS %d → %d kB, CPU %v, %+v",
		took, before.RSS>>10, after.RSS>>10, after.CPU-before.CPU, after.Stats)
	most := 16 << 20
	if race.Enabled {
		most *= 4 // it keeps a shadow of all memory
	}
	if grown := after.RSS - before.RSS; grown > most {
		t.Errorf("RSS grew by %d kB", grown>>10)
	}
	// One forged claim on the name is doubted, asked about, and forgotten.
	forged := dns.Msg{Answer: []dns.RR{&dns.SRV{
		Hdr:  dns.RR_Header{Name: "hub._topicd._tcp.local.", Rrtype: dns.TypeSRV, Class: dns.ClassINET, Ttl: 120},
		Port: 1, Target: "bad.local.",
	}}}
	forged.Response = true
	if b, err = forged.Pack(); err != nil {
		t.Fatal(err)
	}
	attack.flood(t, 1, 0, func(int) []byte { return b })
	l.until(patience, "the claim is noticed", func() bool { return hub.status().Conflicts > 0 })
	time.Sleep(2 * time.Second)
	hub.up(1)
	if st := hub.status(); st.Name != "hub" || st.Host != "gw.local" {
		t.Errorf("after a forged claim: %+v", st)
	}
	if hubs := bad.finds(BrowseOptions{}, "10.77.0.1:8080"); hubs[0].Name != "hub" {
		t.Errorf("found %+v", hubs)
	}
	hub.close()
}

// TestContested: a host that disputes every name cannot keep the hub away.
func TestContested(t *testing.T) {
	l := newLab(t)
	gw, bad := l.host("gw"), l.host("bad")
	attack := bad.sniff()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for seen := 0; ; {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
			probes := attack.from(gw)
			for ; seen < len(probes); seen++ {
				attack.dispute(probes[seen].msg)
			}
		}
	}()
	hub := gw.hub(Service{Port: 8080, Instance: "hub", Host: "gw"})
	took := l.until(3*time.Minute, "advertised nonetheless", func() bool {
		st := hub.status()
		return len(st.Links) == 1 && st.Links[0].Up
	})
	st := hub.status()
	t.Logf("advertised as %q after %v and %d conflicts", st.Name, took, st.Conflicts)
	l.until(3*time.Minute, "found", func() bool { // it may be probing for its next name
		hubs := bad.browse(BrowseOptions{})
		return len(hubs) > 0 && hubs[0].Iface != ""
	})
	close(stop)
	<-done
	hub.close()
}

// dispute claims every name that a probe asks for.
func (s *sniffer) dispute(probe *dns.Msg) {
	m := dns.Msg{}
	m.Response = true
	for _, q := range probe.Question {
		if len(probe.Ns) > 0 && q.Name != "gw.local." {
			m.Answer = append(m.Answer, &dns.SRV{
				Hdr:  dns.RR_Header{Name: q.Name, Rrtype: dns.TypeSRV, Class: dns.ClassINET, Ttl: 120},
				Port: 1, Target: "bad.local.",
			})
		}
	}
	if b, err := m.Pack(); err == nil && len(m.Answer) > 0 {
		_, _ = s.conn.WriteTo(b, nil, group4)
	}
}

// TestZeroconfIsMute: zeroconf, registered as we register it, announces with our
// TTL and says goodbye, and answers nothing.
func TestZeroconfIsMute(t *testing.T) {
	l := newLab(t)
	gw, phone := l.host("gw"), l.host("phone")
	wire := phone.sniff()
	reg := gw.hubRole("zeroconf", Service{Port: 8080, Instance: "Hub 1.", Host: "gw"})
	l.until(patience, "both announcements", func() bool { return len(announced(wire.from(gw))) >= 4 })
	wire.clear()
	for _, name := range []string{"_topicd._tcp.local.", `Hub\ 1\.._topicd._tcp.local.`, "gw.local.", "_services._dns-sd._udp.local.", "_http._tcp.local."} {
		wire.query(t, dns.Question{Name: name, Qtype: dns.TypeANY, Qclass: dns.ClassINET})
		if m := phone.legacyTo(group4, name, dns.TypeANY, 3*time.Second); m != nil { // one that answers does so within 0.2 s
			t.Errorf("reply to %s: %v", name, m)
		}
	}
	if got := wire.from(gw); len(got) != 0 {
		t.Errorf("answered: %v", got)
	}
	reg.close()
	l.until(patience, "two goodbyes", func() bool { return len(announced(wire.from(gw))) == 2 })
	for _, p := range announced(wire.from(gw)) {
		for _, rr := range p.records() {
			if h := rr.Header(); h.Ttl != 0 || h.Rrtype == dns.TypeA {
				t.Errorf("goodbye with %s", rr)
			}
		}
	}
}

// announced gives the packets that carry a whole service under its right name.
func announced(list []seen) (out []seen) {
	for _, p := range list {
		for _, rr := range p.records() {
			if s, ok := rr.(*dns.SRV); ok && s.Target == "gw.local." && s.Hdr.Ttl <= mdns.TTL &&
				(s.Hdr.Name == `Hub\ 1\.._topicd._tcp.local.` || s.Hdr.Name == `Hub\ 1\.._http._tcp.local.`) {
				out = append(out, p)
			}
		}
	}
	return out
}
