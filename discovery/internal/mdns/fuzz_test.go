package mdns

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// seeds are packets of every kind that the responder treats differently.
func seeds(t testing.TB) [][]byte {
	probe := serve(t).Probe()
	ptr := hdr(topicd, dns.TypePTR)
	known := dns.Msg{Question: []dns.Question{q(topicd, dns.TypePTR)}, Answer: []dns.RR{&dns.PTR{Hdr: ptr, Ptr: "hub." + topicd}}}
	known.Truncated = true
	all := serve(t)
	all.Announce(t0)
	announcement, _ := all.Due(t0)
	return [][]byte{
		probe, announcement, pack(t, &known),
		ask(t, 1, q(topicd, dns.TypePTR)),
		ask(t, 1, q("hub."+topicd, dns.TypeANY), q("gw.local.", dns.TypeA), q(typeEnum, dns.TypePTR)),
		response(t, srv("hub."+topicd, 1, 0), addr("gw.local.", "10.0.0.3")),
	}
}

// check holds what must be true whatever came in.
func check(t testing.TB, r *Responder, now time.Time, in, reply []byte) {
	t.Helper()
	if len(reply) > maxReply {
		t.Fatalf("reply of %d bytes to %x", len(reply), in)
	}
	if reply != nil {
		parse(t, reply)
	}
	out, _ := r.Due(now)
	if len(out) > maxReply {
		t.Fatalf("multicast of %d bytes after %x", len(out), in)
	}
	if out != nil {
		parse(t, out)
	}
}

func FuzzHandle(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b, uint16(Port), true)
		f.Add(b, uint16(40000), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, port uint16, multicast bool) {
		for _, phase := range []phase{probing, serving, closed} {
			r := NewResponder(identity("hub", "gw"), view())
			r.phase = phase
			p := Packet{Data: b, Src: netip.AddrPortFrom(peer, port), Multicast: multicast}
			for i := range 3 {
				now := t0.Add(time.Duration(i) * time.Second)
				check(t, r, now, b, r.Handle(now, p))
			}
		}
		c := NewCollector("_topicd._tcp", 4)
		c.Reply(b, 0, "eth0")
		c.Query(1)
		c.Found()
	})
}

// TestMutated: 60,000 packets with broken bytes neither crash nor grow anything.
func TestMutated(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	in := seeds(t)
	r := serve(t)
	c := NewCollector("_topicd._tcp", 100)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	sent := 0
	for i := range 60000 {
		b := append([]byte(nil), in[rng.IntN(len(in))]...)
		for range 1 + rng.IntN(6) {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
		b = b[:rng.IntN(len(b)+1)]
		now := t0.Add(time.Duration(i) * time.Millisecond)
		src := netip.AddrFrom4([4]byte{10, 0, 0, byte(rng.Uint32())})
		reply := r.Handle(now, from(src, []uint16{Port, 40000}[i%2], b))
		check(t, r, now, b, reply)
		sent += len(reply)
		c.Reply(b, 1, "eth0")
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if sent > replyBurst+60*replyRate {
		t.Errorf("%d bytes of replies in 60 s", sent)
	}
	runtime.KeepAlive(c)
	// It still answers.
	now := t0.Add(2 * time.Minute)
	if r.Handle(now, from(peer, 40000, ask(t, 1, q(topicd, dns.TypePTR)))) == nil {
		t.Error("no answer afterwards")
	}
}
