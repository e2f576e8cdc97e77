package mdns

import (
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// response builds what another responder would multicast.
func response(t testing.TB, rrs ...dns.RR) []byte {
	t.Helper()
	m := dns.Msg{Answer: rrs}
	m.Response = true
	return pack(t, &m)
}

func srv(name string, port uint16, ttl uint32) dns.RR {
	h := hdr(name, dns.TypeSRV)
	h.Class |= flushBit
	h.Ttl = ttl
	return &dns.SRV{Hdr: h, Port: port, Target: "gw.local."}
}

func addr(name, ip string) dns.RR {
	a := netip.MustParseAddr(ip)
	if a.Is4() {
		return &dns.A{Hdr: hdr(name, dns.TypeA), A: a.AsSlice()}
	}
	return &dns.AAAA{Hdr: hdr(name, dns.TypeAAAA), AAAA: a.AsSlice()}
}

func TestConflicts(t *testing.T) {
	for _, c := range []struct {
		what      string
		src       netip.Addr
		rr        dns.RR
		want      Conflict
		elsewhere bool // in the probing phase
	}{
		{"other port", peer, srv("HUB."+topicd, 9999, TTL), InstanceConflict, false},
		{"same record", peer, srv("hub."+topicd, 8080, TTL), NoConflict, false},
		{"other's goodbye", peer, srv("hub."+topicd, 9999, 0), NoConflict, false},
		{"other name", peer, srv("hub2."+topicd, 9999, TTL), NoConflict, false},
		{"http name", peer, srv("hub._http._tcp.local.", 80, TTL), InstanceConflict, false},
		{"other board has our host name", peer, addr("gw.local.", "10.0.0.2"), HostConflict, false},
		{"the same over IPv6", peer, addr("GW.local.", "fe80::2"), HostConflict, false},
		{"Avahi on this board", self, addr("gw.local.", "10.0.0.1"), NoConflict, true},
		{"Avahi with an older address", self, addr("gw.local.", "10.0.0.77"), NoConflict, true},
		{"a reflector's echo", peer, addr("gw.local.", "10.9.0.1"), NoConflict, true},
		{"another type", peer, &dns.HINFO{Hdr: hdr("gw.local.", dns.TypeHINFO), Cpu: "x", Os: "y"}, NoConflict, false},
	} {
		for _, phase := range []phase{probing, serving} {
			r := NewResponder(identity("hub", "gw"), view())
			r.phase = phase
			r.Handle(t0, from(c.src, Port, response(t, c.rr)))
			if got := r.Conflict(); got != c.want {
				t.Errorf("%s, phase %d: conflict %d, want %d", c.what, phase, got, c.want)
			}
			if phase == probing && r.HostElsewhere() != c.elsewhere {
				t.Errorf("%s: host elsewhere %v", c.what, r.HostElsewhere())
			}
			// The same from another port, or sent to us alone, says nothing.
			r.Handle(t0, from(c.src, 999, response(t, c.rr)))
			p := from(c.src, Port, response(t, c.rr))
			p.Multicast = false
			r.Handle(t0, p)
			if r.Conflict() != NoConflict {
				t.Errorf("%s: heard from a wrong port or by unicast", c.what)
			}
		}
	}
}

func TestProbeIsDefended(t *testing.T) {
	r := serve(t)
	other := NewResponder(identity("hub", "gw"), View{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	other.sets[3].rrs[0].(*dns.SRV).Port = 1
	for i := range 5 {
		r.Handle(t0.Add(time.Duration(i)*10*time.Millisecond), from(peer, Port, other.Probe()))
	}
	got := drain(t, r, t0, t0.Add(240*time.Millisecond))
	m, at := one(t, got)
	if at != 0 {
		t.Errorf("defended after %v", at)
	}
	other.Handle(t0, from(self, Port, pack(t, m)))
	if c := other.Conflict(); c != HostConflict {
		t.Errorf("the prober heard conflict %d", c)
	}
	// Our own probe on another link is no attack.
	r = serve(t)
	r.Handle(t0, from(self, Port, serve(t).Probe()))
	if n := len(drain(t, r, t0, t0.Add(time.Second))); n != 0 || r.HostElsewhere() {
		t.Errorf("%d answers to our own probe", n)
	}
}

// TestTie: of two hosts that probe at the same time, one goes on.
func TestTie(t *testing.T) {
	make1 := func(ip string, port uint16) *Responder {
		id := identity("hub", "gw")
		id.Services[0].Port = port
		return NewResponder(id, View{Prefixes: []netip.Prefix{netip.MustParsePrefix(ip + "/24")}, Own: []netip.Addr{netip.MustParseAddr(ip)}})
	}
	// The names would be lost to different hosts if each were judged alone.
	a, b := make1("10.0.0.1", 2), make1("10.0.0.2", 1)
	a.Handle(t0, from(peer, Port, b.Probe()))
	b.Handle(t0, from(self, Port, a.Probe()))
	ca, cb := a.Conflict(), b.Conflict()
	if (ca == LostTie) == (cb == LostTie) {
		t.Errorf("verdicts %d and %d", ca, cb)
	}
	a.Handle(t0, from(self, Port, a.Probe()))
	if a.Conflict() != NoConflict {
		t.Error("lost against ourselves")
	}
}

func TestForgedLifetimes(t *testing.T) {
	for _, ttl := range []uint32{0, 10, 3200, 1 << 30} {
		r := serve(t)
		r.Announce(t0)
		drain(t, r, t0, t0)
		now := t0.Add(5 * time.Second)
		r.Handle(now, from(peer, Port, response(t, srv("hub."+topicd, 8080, ttl))))
		m, at := one(t, drain(t, r, now, now.Add(2*time.Second)))
		if types(m.Answer) != "SRV" || at > 5*time.Second+500*time.Millisecond {
			t.Errorf("TTL %d: announced %s after %v", ttl, types(m.Answer), at)
		}
	}
	// A forged copy must not silence the true answer, our own side's may.
	for src, want := range map[netip.Addr]int{peer: 1, self: 0} {
		r := serve(t)
		r.Handle(t0, from(peer, Port, ask(t, 0, q("hub."+topicd, dns.TypeSRV))))
		r.Handle(t0, from(src, Port, response(t, srv("hub."+topicd, 8080, TTL))))
		if got := len(drain(t, r, t0, t0.Add(time.Second/2))); got != want {
			t.Errorf("after a copy from %v: %d answers, want %d", src, got, want)
		}
	}
}

// TestAvahiOnTheBoard: Avahi answers for the host name; when it is gone, we do.
func TestAvahiOnTheBoard(t *testing.T) {
	r := NewResponder(identity("hub", "gw"), view())
	both := response(t, addr("gw.local.", "10.0.0.1"), addr("gw.local.", "fe80::1"))
	r.Handle(t0, from(self, Port, both))
	r.Serve()
	if !r.HostElsewhere() {
		t.Fatal("Avahi not noticed")
	}
	query := ask(t, 0, q("gw.local.", dns.TypeA), q("gw.local.", dns.TypeAAAA))
	now := t0.Add(10 * time.Second)
	r.Handle(now, from(peer, Port, query))
	r.Handle(now.Add(100*time.Millisecond), from(self, Port, both))
	if n := len(drain(t, r, now, now.Add(2*time.Second))); n != 0 {
		t.Errorf("%d answers besides Avahi's", n)
	}
	now = now.Add(10 * time.Second)
	r.Handle(now, from(peer, Port, query))
	m, at := one(t, drain(t, r, now, now.Add(2*time.Second)))
	if types(m.Answer) != "A AAAA" || r.HostElsewhere() || at > now.Sub(t0)+300*time.Millisecond {
		t.Errorf("after Avahi's end: %v after %v", m.Answer, at)
	}
	// Avahi starts: it probes the name with our addresses.
	probe := dns.Msg{Question: []dns.Question{q("gw.local.", dns.TypeANY)}, Ns: []dns.RR{addr("gw.local.", "10.0.0.1")}}
	r.Handle(now, from(self, Port, pack(t, &probe)))
	if !r.HostElsewhere() {
		t.Error("a new Avahi not noticed")
	}
}
