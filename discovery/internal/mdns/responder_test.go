package mdns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

var (
	t0     = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	self   = netip.MustParseAddr("10.0.0.1")
	peer   = netip.MustParseAddr("10.0.0.2")
	topicd = "_topicd._tcp.local."
)

func identity(instance, host string) Identity {
	return Identity{Instance: instance, Host: host, Services: []Service{
		{Type: "_topicd._tcp", Port: 8080, TXT: []string{"txtvers=1", "id=0123abcd"}},
		{Type: "_http._tcp", Port: 8080, TXT: []string{"path=/"}},
	}}
}

func view() View {
	return View{
		Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fe80::1/64")},
		Own:      []netip.Addr{self, netip.MustParseAddr("fe80::1"), netip.MustParseAddr("10.9.0.1")},
	}
}

func serve(t testing.TB) *Responder {
	t.Helper()
	r := NewResponder(identity("hub", "gw"), view())
	r.Serve()
	return r
}

// ask builds a query.
func ask(t testing.TB, id uint16, qs ...dns.Question) []byte {
	t.Helper()
	m := dns.Msg{Question: qs}
	m.Id = id
	return pack(t, &m)
}

func pack(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func q(name string, typ uint16) dns.Question {
	return dns.Question{Name: name, Qtype: typ, Qclass: dns.ClassINET}
}

func from(a netip.Addr, port uint16, b []byte) Packet {
	return Packet{Data: b, Src: netip.AddrPortFrom(a, port), Multicast: true}
}

func parse(t testing.TB, b []byte) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		t.Fatalf("%v in %x", err, b)
	}
	return m
}

// drain runs the responder's clock from one time to another and gives what it
// multicasts, by time.
func drain(t testing.TB, r *Responder, from, to time.Time) map[time.Duration]*dns.Msg {
	t.Helper()
	out := map[time.Duration]*dns.Msg{}
	for now := from; !now.After(to); now = now.Add(10 * time.Millisecond) {
		if b, _ := r.Due(now); b != nil {
			out[now.Sub(t0)] = parse(t, b)
		}
	}
	return out
}

// one gives the only message of a map, and its time.
func one(t testing.TB, ms map[time.Duration]*dns.Msg) (*dns.Msg, time.Duration) {
	t.Helper()
	if len(ms) != 1 {
		t.Fatalf("%d packets, want 1: %v", len(ms), ms)
	}
	for at, m := range ms {
		return m, at
	}
	return nil, 0
}

func types(rrs []dns.RR) string {
	var out []string
	for _, rr := range rrs {
		out = append(out, dns.TypeToString[rr.Header().Rrtype])
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestBrowseAnswer(t *testing.T) {
	for _, name := range []string{topicd, "_TopicD._TCP.Local."} {
		r := serve(t)
		if got := r.Handle(t0, from(peer, Port, ask(t, 7, q(name, dns.TypePTR)))); got != nil {
			t.Errorf("%s: unicast reply %x", name, got)
		}
		m, at := one(t, drain(t, r, t0, t0.Add(3*time.Second)))
		if at < 20*time.Millisecond || at > 130*time.Millisecond {
			t.Errorf("a shared record came after %v", at) // RFC 6762 section 6
		}
		if len(m.Question) != 0 || m.Id != 0 || !m.Response || !m.Authoritative {
			t.Errorf("header of the answer: %v", m)
		}
		if types(m.Answer) != "PTR" || types(m.Extra) != "A AAAA SRV TXT" {
			t.Errorf("answer %s, additional %s", types(m.Answer), types(m.Extra))
		}
		for _, rr := range append(m.Answer, m.Extra...) {
			h := rr.Header()
			if flush := h.Class&flushBit != 0; flush != (h.Rrtype != dns.TypePTR) || h.Ttl != TTL {
				t.Errorf("class %x and TTL %d of %s", h.Class, h.Ttl, rr)
			}
		}
	}
}

func TestQuestions(t *testing.T) {
	for _, c := range []struct {
		q    dns.Question
		want string
	}{
		{q("hub."+topicd, dns.TypeSRV), "SRV"},
		{q("HUB."+topicd, dns.TypeTXT), "TXT"},
		{q("hub."+topicd, dns.TypeANY), "SRV TXT"},
		{q("gw.local.", dns.TypeA), "A"},
		{q("GW.local.", dns.TypeAAAA), "AAAA"},
		{q("hub._http._tcp.local.", dns.TypeSRV), "SRV"},
		{q(typeEnum, dns.TypePTR), "PTR PTR"},
		{dns.Question{Name: topicd, Qtype: dns.TypePTR, Qclass: dns.ClassANY}, "PTR"},
		{dns.Question{Name: topicd, Qtype: dns.TypePTR, Qclass: dns.ClassCHAOS}, ""},
		{q("other."+topicd, dns.TypeSRV), ""},
		// Who owns a name denies what it does not have (RFC 6762 section 6.1).
		{q("gw.local.", dns.TypeHINFO), "NSEC"},
		{q("gw.local.", dns.TypeTXT), "NSEC"},
		{q("gw.local.", dns.TypeNSEC), "NSEC"},
		{q("gw.local.", dns.TypeANY), "A AAAA"},
		{q("hub."+topicd, dns.TypeA), "NSEC"},
		{q("hub._http._tcp.local.", dns.TypeHINFO), "NSEC"},
		{q(topicd, dns.TypeTXT), ""}, // a name that others have too
		{q("_ipp._tcp.local.", dns.TypePTR), ""},
		{q(".", dns.TypeANY), ""},
	} {
		r := serve(t)
		r.Handle(t0, from(peer, Port, ask(t, 0, c.q)))
		got := ""
		for _, m := range drain(t, r, t0, t0.Add(2*time.Second)) {
			got += types(m.Answer)
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.q.String(), got, c.want)
		}
	}
}

func TestOneFamilyIsDenied(t *testing.T) {
	v := view()
	v.Prefixes = v.Prefixes[:1]
	r := NewResponder(identity("hub", "gw"), v)
	r.Serve()
	r.Handle(t0, from(peer, Port, ask(t, 0, q("gw.local.", dns.TypeAAAA))))
	m, _ := one(t, drain(t, r, t0, t0.Add(time.Second)))
	n, ok := m.Answer[0].(*dns.NSEC)
	if !ok || !slices.Equal(n.TypeBitMap, []uint16{dns.TypeA}) {
		t.Errorf("answer %v", m.Answer)
	}
}

// TestDenial: what is denied, of a host and of an instance; and an instance's
// answers do not grow by it.
func TestDenial(t *testing.T) {
	for name, want := range map[string][]uint16{"gw.local.": {dns.TypeA, dns.TypeAAAA}, "hub." + topicd: {dns.TypeTXT, dns.TypeSRV}} {
		r := serve(t)
		r.Handle(t0, from(peer, Port, ask(t, 0, q(name, dns.TypeHINFO))))
		m, _ := one(t, drain(t, r, t0, t0.Add(time.Second)))
		n, ok := m.Answer[0].(*dns.NSEC)
		if !ok || !slices.Equal(n.TypeBitMap, want) || !strings.EqualFold(n.NextDomain, name) || n.Hdr.Class&flushBit == 0 || len(m.Extra) != 0 {
			t.Errorf("%s: %v", name, m)
		}
		if b := r.Handle(t0, from(peer, 40000, ask(t, 77, q(name, dns.TypeHINFO)))); b != nil {
			t.Errorf("%s: a legacy resolver is told %v", name, parse(t, b))
		}
	}
	r := serve(t)
	r.hostElsewhere = true // Avahi has HINFO
	r.Handle(t0, from(peer, Port, ask(t, 0, q("gw.local.", dns.TypeHINFO))))
	if got := drain(t, r, t0, t0.Add(time.Second)); len(got) != 0 {
		t.Errorf("denied what Avahi may have: %v", got)
	}
	r = serve(t)
	r.Announce(t0)
	m, _ := one(t, drain(t, r, t0, t0.Add(100*time.Millisecond)))
	if got := types(m.Answer); strings.Contains(got, "NSEC") {
		t.Errorf("announced %s", got)
	}
}

func TestLegacyUnicast(t *testing.T) {
	r := serve(t)
	b := r.Handle(t0, from(peer, 40000, ask(t, 77, q(topicd, dns.TypePTR), q("x.local.", dns.TypeA))))
	m := parse(t, b)
	if m.Id != 77 || len(m.Question) != 1 || m.Question[0].Name != topicd {
		t.Errorf("id %d, questions %v", m.Id, m.Question)
	}
	if types(m.Answer) != "PTR" || types(m.Extra) != "A AAAA SRV TXT" {
		t.Errorf("answer %s, additional %s", types(m.Answer), types(m.Extra))
	}
	for _, rr := range append(m.Answer, m.Extra...) {
		if h := rr.Header(); h.Ttl > 10 || h.Class != dns.ClassINET {
			t.Errorf("class %x and TTL %d of %s", h.Class, h.Ttl, rr)
		}
	}
	if len(drain(t, r, t0, t0.Add(2*time.Second))) != 0 {
		t.Error("a legacy query was answered to the group")
	}
}

func TestUnicastQuestion(t *testing.T) {
	r := serve(t)
	qu := q("hub."+topicd, dns.TypeSRV)
	qu.Qclass |= flushBit
	m := parse(t, r.Handle(t0, from(peer, Port, ask(t, 5, qu))))
	if types(m.Answer) != "SRV" || m.Id != 0 || m.Answer[0].Header().Ttl != TTL {
		t.Errorf("reply %v", m)
	}
	// Not heard on the link for a quarter of its TTL: multicast as well, once.
	one(t, drain(t, r, t0, t0.Add(time.Second)))
	now := t0.Add(2 * time.Second)
	if r.Handle(now, from(peer, Port, ask(t, 6, qu))) == nil {
		t.Error("no second reply")
	}
	if len(drain(t, r, now, now.Add(3*time.Second))) != 0 {
		t.Error("multicast again although it was sent 2 s ago")
	}
}

func TestKnownAnswer(t *testing.T) {
	for ttl, want := range map[uint32]int{TTL: 0, TTL / 2: 0, TTL/2 - 1: 1, 3200: 1} {
		r := serve(t)
		m := dns.Msg{Question: []dns.Question{q(topicd, dns.TypePTR)}}
		m.Answer = []dns.RR{&dns.PTR{Hdr: hdr("_TOPICD._tcp.local.", dns.TypePTR), Ptr: "Hub._topicd._tcp.local."}}
		m.Answer[0].Header().Ttl = ttl
		r.Handle(t0, from(peer, Port, pack(t, &m)))
		if got := len(drain(t, r, t0, t0.Add(time.Second))); got != want {
			t.Errorf("known with TTL %d: %d answers, want %d", ttl, got, want)
		}
	}
}

// TestFlood: whatever is asked, a record is multicast once a second, and a
// question that came too early is answered when the second is over.
func TestFlood(t *testing.T) {
	r := serve(t)
	last := map[string]time.Time{}
	count := map[string]int{}
	names := []dns.Question{q(topicd, dns.TypePTR), q("hub."+topicd, dns.TypeANY), q("gw.local.", dns.TypeANY), q(typeEnum, dns.TypePTR)}
	for i := range 30000 {
		now := t0.Add(time.Duration(i) * 200 * time.Microsecond) // 6 s
		src := netip.AddrFrom4([4]byte{10, 0, 0, byte(2 + i%200)})
		r.Handle(now, from(src, Port, ask(t, 0, names[i%len(names)])))
		b, _ := r.Due(now)
		if b == nil {
			continue
		}
		m := parse(t, b)
		for _, rr := range append(m.Answer, m.Extra...) {
			rr.Header().Ttl = 0
			key := rr.String()
			if gap := now.Sub(last[key]); gap < time.Second {
				t.Fatalf("%s again after %v", key, gap)
			}
			last[key] = now
			count[key]++
		}
	}
	if len(count) != 7 {
		t.Errorf("%d records, want 7: %v", len(count), count)
	}
	for key, n := range count {
		if n < 5 || n > 6 {
			t.Errorf("%s: %d times in 6 s", key, n)
		}
	}
}

func TestUnicastBudget(t *testing.T) {
	r := serve(t)
	bytes, replies := 0, 0
	for i := range 30000 { // 3 s, all sources of the network
		src := netip.AddrFrom4([4]byte{10, 0, 0, byte(2 + i%250)})
		b := r.Handle(t0.Add(time.Duration(i)*100*time.Microsecond), from(src, 999, ask(t, 1, q(topicd, dns.TypePTR))))
		bytes += len(b)
		if b != nil {
			replies++
		}
	}
	if limit := replyBurst + 3*replyRate; bytes > limit || bytes < limit/2 {
		t.Errorf("%d bytes in 3 s, limit %d", bytes, limit)
	}
	r, replies = serve(t), 0
	for i := range 3000 { // one source in 1 s
		if r.Handle(t0.Add(time.Duration(i)*time.Second/3000), from(peer, 999, ask(t, 1, q(topicd, dns.TypePTR)))) != nil {
			replies++
		}
	}
	if replies > 3*srcReplies {
		t.Errorf("%d replies to one source in a second", replies)
	}
	if r.Limited == 0 {
		t.Error("nothing counted as limited")
	}
}

func TestOffLink(t *testing.T) {
	for src, want := range map[string]bool{
		"10.0.0.9": true, "10.0.1.9": false, "8.8.8.8": false, "169.254.3.4": true,
		"fe80::77": true, "2001:db8::1": false, "10.9.0.1": true, "::ffff:10.0.0.9": true,
	} {
		r := serve(t)
		got := r.Handle(t0, from(netip.MustParseAddr(src), 999, ask(t, 1, q(topicd, dns.TypePTR)))) != nil
		if got != want || want != (r.OffLink == 0) {
			t.Errorf("%s: answered %v, want %v", src, got, want)
		}
	}
}

// TestManyQuestions: a packet of 100 questions is one packet's worth of work.
func TestManyQuestions(t *testing.T) {
	r := serve(t)
	var qs []dns.Question
	for range 100 {
		qs = append(qs, q(topicd, dns.TypePTR), q("hub."+topicd, dns.TypeANY))
	}
	b := r.Handle(t0, from(peer, 999, ask(t, 1, qs...)))
	if m := parse(t, b); len(b) > maxReply || len(m.Question) > maxQuestions {
		t.Errorf("%d bytes with %d questions", len(b), len(m.Question))
	}
	r.Handle(t0, from(peer, Port, ask(t, 1, qs...)))
	total := 0
	for _, m := range drain(t, r, t0, t0.Add(900*time.Millisecond)) {
		total += len(m.Answer) + len(m.Extra)
	}
	if total > 5 {
		t.Errorf("%d records", total)
	}
}

func TestAnnounceAfterMove(t *testing.T) {
	r := serve(t)
	r.Announce(t0)
	m, at := one(t, drain(t, r, t0, t0.Add(500*time.Millisecond)))
	if at != 0 || types(m.Answer) != "A AAAA PTR PTR PTR PTR SRV SRV TXT TXT" {
		t.Errorf("announced %s after %v", types(m.Answer), at)
	}
	v := view()
	v.Prefixes = []netip.Prefix{netip.MustParsePrefix("10.0.0.51/24")}
	r.SetView(v)
	now := t0.Add(2 * time.Second)
	r.Announce(now)
	m, _ = one(t, drain(t, r, now, now.Add(500*time.Millisecond)))
	if s := fmt.Sprint(m.Answer); !strings.Contains(s, "10.0.0.51") || strings.Contains(s, "10.0.0.1\n") {
		t.Errorf("announced %s", s)
	}
}

func TestLongNames(t *testing.T) {
	id := identity(strings.Repeat("ü", 31), strings.Repeat("h", 63))
	id.Services[0].TXT = []string{strings.Repeat("x", 255)}
	v := view()
	for i := range 30 {
		v.Prefixes = append(v.Prefixes,
			netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 2)}), 24),
			netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}), 64))
	}
	r := NewResponder(id, v)
	r.Serve()
	r.Announce(t0)
	m, _ := one(t, drain(t, r, t0, t0))
	m.Compress = true
	if b := pack(t, m); len(b) > maxReply {
		t.Errorf("announcement of %d bytes", len(b))
	}
	if b := r.Probe(); len(b) > maxReply || b == nil {
		t.Errorf("probe of %d bytes", len(b))
	}
}
