package mdns

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

const (
	// Port is the port of mDNS.
	Port = 5353
	// TTL of every record in seconds. RFC 6762 section 10 allows 75 minutes
	// for those without a host name in them; a hub that was killed should not
	// stay listed that long.
	TTL = 120

	// legacyTTL is what a querier that is no mDNS citizen may keep
	// (RFC 6762 section 6.7).
	legacyTTL = 10
	flushBit  = 1 << 15 // RFC 6762 section 10.2; in a question: section 5.4
	maxSets   = 32
	maxAddrs  = 8 // addresses of one family in a set: keeps a reply within one packet
	typeEnum  = "_services._dns-sd._udp.local."
)

// Service is one service the host offers.
type Service struct {
	Type string // "_topicd._tcp"
	Port uint16
	TXT  []string // printable ASCII without a backslash, at most 255 bytes each
}

// Identity is what a host claims on a link. Names are plain UTF-8.
type Identity struct {
	Instance string // one name for all services
	Host     string // label of the host name, without ".local"
	Services []Service
}

// View is how a link looks from this host.
type View struct {
	Prefixes []netip.Prefix // addresses of the link's interface with their subnets
	Own      []netip.Addr   // addresses of this board on any interface, now or lately
}

// set is a resource record set: what is asked for, sent and limited together.
type set struct {
	// static after construction
	name   string // owner name as it is written
	key    string // owner name folded
	typ    uint16
	unique bool // ours alone (RFC 6762 section 2): sent with the flush bit
	host   bool // the host's, not the service's
	extra  bits // what a reply adds to it (RFC 6763 section 12)

	// owned by the responder
	rrs  []dns.RR
	mute bool      // an NSEC that says nothing but to who asks for what is not there
	last time.Time // multicast last, by anyone on this board
	due  time.Time // zero: nothing to send
}

// bits is a set of sets.
type bits uint32

func (b bits) has(i int) bool { return b>>i&1 != 0 }

// buildSets lays out the record sets of an identity: the host's three first.
func buildSets(id Identity) []*set {
	host := wireForm(Escape(id.Host) + ".local.")
	var all []*set
	add := func(s *set, rrs ...dns.RR) int {
		s.key, s.rrs = fold(s.name), rrs
		all = append(all, s)
		return len(all) - 1
	}
	unique := func(name string, typ uint16) *set { return &set{name: name, typ: typ, unique: true} }
	shared := func(name string) *set { return &set{name: name, typ: dns.TypePTR} }
	var addrs bits
	for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeNSEC} {
		s := unique(host, typ)
		s.host = true
		addrs |= 1 << add(s)
	}
	for _, sv := range id.Services {
		typ := wireForm(sv.Type + ".local.")
		inst := wireForm(Escape(id.Instance) + "." + typ)
		srv := unique(inst, dns.TypeSRV)
		srv.extra = addrs
		iSRV := add(srv, &dns.SRV{Hdr: hdr(inst, dns.TypeSRV), Port: sv.Port, Target: host})
		iTXT := add(unique(inst, dns.TypeTXT), &dns.TXT{Hdr: hdr(inst, dns.TypeTXT), Txt: sv.TXT})
		none := unique(inst, dns.TypeNSEC)
		none.mute = true
		add(none, nsec(inst, dns.TypeTXT, dns.TypeSRV))
		ptr := shared(typ)
		ptr.extra = addrs | 1<<iSRV | 1<<iTXT
		add(ptr, &dns.PTR{Hdr: hdr(typ, dns.TypePTR), Ptr: inst})
		add(shared(typeEnum), &dns.PTR{Hdr: hdr(typeEnum, dns.TypePTR), Ptr: typ})
	}
	return all
}

func hdr(name string, typ uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: typ, Class: dns.ClassINET, Ttl: TTL}
}

// fillHost writes the host's sets from the addresses of the link. As Avahi and
// zeroconf do, it names link-local IPv6 only where there is no other: three
// responders on one board must not flush each other's records.
func fillHost(sets []*set, v View) {
	name := sets[0].name
	var v4, v6, local []dns.RR
	for _, p := range v.Prefixes {
		ip := p.Addr().Unmap().WithZone("")
		switch {
		case ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast():
		case ip.Is4():
			v4 = append(v4, &dns.A{Hdr: hdr(name, dns.TypeA), A: ip.AsSlice()})
		case ip.IsLinkLocalUnicast():
			local = append(local, &dns.AAAA{Hdr: hdr(name, dns.TypeAAAA), AAAA: ip.AsSlice()})
		default:
			v6 = append(v6, &dns.AAAA{Hdr: hdr(name, dns.TypeAAAA), AAAA: ip.AsSlice()})
		}
	}
	if len(v6) == 0 {
		v6 = local
	}
	sets[0].rrs = v4[:min(len(v4), maxAddrs)]
	sets[1].rrs = v6[:min(len(v6), maxAddrs)]
	var have []uint16
	if len(v4) > 0 {
		have = append(have, dns.TypeA)
	}
	if len(v6) > 0 {
		have = append(have, dns.TypeAAAA)
	}
	sets[2].rrs = nil
	if len(have) > 0 {
		sets[2].rrs = []dns.RR{nsec(name, have...)}
	}
	sets[2].mute = len(have) == 2 // a missing family is told unasked: a client need not wait for it
}

// nsec denies all types of a name but those that it has, in ascending order, so
// that nobody waits for the others (RFC 6762 section 6.1).
func nsec(name string, have ...uint16) *dns.NSEC {
	return &dns.NSEC{Hdr: hdr(name, dns.TypeNSEC), NextDomain: name, TypeBitMap: have}
}

// answers reports whether the set answers a question. An NSEC stands in for what
// it denies.
func (s *set) answers(name string, qtype uint16) bool {
	if s.key != name || len(s.rrs) == 0 {
		return false
	}
	if s.typ == qtype || qtype == dns.TypeANY {
		return s.typ == qtype || !s.mute
	}
	n, ok := s.rrs[0].(*dns.NSEC)
	return ok && !slices.Contains(n.TypeBitMap, qtype)
}

// holds reports whether a received record is one of the set, its TTL aside.
func (s *set) holds(rr dns.RR) bool {
	for _, own := range s.rrs {
		if equalRR(own, rr) {
			return true
		}
	}
	return false
}

// equalRR compares without the flush bit and the TTL. dns.IsDuplicate would link the
// comparison of ninety types.
func equalRR(a, b dns.RR) bool {
	h, o := a.Header(), b.Header()
	if h.Rrtype != o.Rrtype || h.Class != o.Class&^flushBit || fold(h.Name) != fold(o.Name) {
		return false
	}
	switch a := a.(type) {
	case *dns.PTR:
		b, ok := b.(*dns.PTR)
		return ok && fold(a.Ptr) == fold(b.Ptr)
	case *dns.SRV:
		b, ok := b.(*dns.SRV)
		return ok && fold(a.Target) == fold(b.Target) && a.Port == b.Port && a.Priority == b.Priority && a.Weight == b.Weight
	case *dns.NSEC:
		b, ok := b.(*dns.NSEC)
		return ok && fold(a.NextDomain) == fold(b.NextDomain) && slices.Equal(a.TypeBitMap, b.TypeBitMap)
	}
	return bytes.Equal(claim(a), claim(b))
}
