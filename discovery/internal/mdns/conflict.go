package mdns

import (
	"bytes"
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// heard takes the records that another responder multicast, or our own side's
// zeroconf, or ourselves: the group's packets come back to their sender.
func (r *Responder) heard(now time.Time, m *dns.Msg, src netip.Addr) {
	var same [maxSets]int   // records of ours in the packet, by set
	var wrong [maxSets]bool // with a lifetime that is not ours
	for _, list := range [][]dns.RR{m.Answer, m.Extra} {
		for _, rr := range list {
			i := r.find(rr)
			if i < 0 {
				continue
			}
			s, ttl := r.sets[i], rr.Header().Ttl
			switch {
			case s.holds(rr) || s.host && r.ownAddr(rr):
				wrong[i] = wrong[i] || ttl < halfTTL || ttl > TTL
				if ttl > 0 {
					same[i]++
				}
			case s.unique && s.typ != dns.TypeNSEC && ttl > 0:
				r.contradicted(s, src)
			}
		}
	}
	for i, s := range r.sets {
		if r.phase == probing {
			// None of ours answers in this phase, so it is another responder
			// of this board: Avahi.
			r.hostElsewhere = r.hostElsewhere || s.host && same[i] > 0
			continue
		}
		// What this board has just said, or any holder of a shared record, need
		// not be said again (RFC 6762 section 7.4). A forged copy of what is
		// ours alone silences nothing.
		if same[i] > 0 && same[i] >= len(s.rrs) && (!s.unique || r.own[src]) {
			s.last, s.due = now, time.Time{}
			r.hostDoubt = r.hostDoubt && !s.host
		}
		if wrong[i] {
			// A goodbye that is not ours, or a lifetime that would keep a dead
			// hub listed (RFC 6762 sections 6.6, 10.1). Caches drop a withdrawn
			// record after a second: be faster.
			r.schedule(s, now.Add(20*time.Millisecond), minGap)
		}
	}
}

// find gives the set that a received record would belong to, or -1.
func (r *Responder) find(rr dns.RR) int {
	h := rr.Header()
	if h.Class&^flushBit != dns.ClassINET {
		return -1
	}
	key := fold(h.Name)
	for i, s := range r.sets {
		// Several sets may share name and type: the two services' types are
		// listed under one name.
		if s.key == key && s.typ == h.Rrtype && (s.unique || s.holds(rr)) {
			return i
		}
	}
	return -1
}

// contradicted takes a record that claims one of our names for something else
// (RFC 6762 section 9).
func (r *Responder) contradicted(s *set, src netip.Addr) {
	switch {
	case !s.host:
		r.complain(InstanceConflict)
	case r.own[src]:
		// Avahi on this board, which knows an address that we do not.
		r.hostElsewhere = r.hostElsewhere || r.phase == probing
	default:
		r.complain(HostConflict)
	}
}

// ownAddr reports whether an address record names this board, be it on another
// of its interfaces.
func (r *Responder) ownAddr(rr dns.RR) bool {
	var ip []byte
	switch rr := rr.(type) {
	case *dns.A:
		ip = rr.A
	case *dns.AAAA:
		ip = rr.AAAA
	}
	a, ok := netip.AddrFromSlice(ip)
	return ok && r.own[bare(a)]
}

// defend answers a probe for our names at once (RFC 6762 section 8.1), unless
// the prober is of this board.
func (r *Responder) defend(now time.Time, m *dns.Msg, asked bits) {
	foreign := false
	for _, rr := range m.Ns {
		i := r.find(rr)
		if i >= 0 && !r.sets[i].holds(rr) && !(r.sets[i].host && r.ownAddr(rr)) {
			foreign = true
		}
	}
	instance := false
	for i, s := range r.sets {
		if !asked.has(i) {
			continue
		}
		instance = instance || !s.host
		if foreign && !(s.host && r.hostElsewhere) {
			r.schedule(s, now, minDefend)
		}
	}
	// Who claims our addresses and nothing of the service is an Avahi that has
	// just started here; otherwise it is this hub on another of its links.
	r.hostElsewhere = r.hostElsewhere || !foreign && !instance
}

// tieBreak compares what another host that probes at the same time would claim
// with our claim: the greater one goes on, the other waits a second and asks
// again (RFC 6762 section 8.2). The first name that both want decides for all,
// or two hosts could each lose one name for ever.
func (r *Responder) tieBreak(m *dns.Msg) {
	theirs := map[string][][]byte{}
	for _, rr := range m.Ns {
		if !r.ownAddr(rr) {
			key := fold(rr.Header().Name)
			theirs[key] = append(theirs[key], claim(rr))
		}
	}
	ours := map[string][][]byte{}
	for _, s := range r.sets {
		if s.unique && s.typ != dns.TypeNSEC && theirs[s.key] != nil {
			for _, rr := range s.rrs {
				ours[s.key] = append(ours[s.key], claim(rr))
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(ours)) {
		slices.SortFunc(ours[key], bytes.Compare)
		slices.SortFunc(theirs[key], bytes.Compare)
		switch slices.CompareFunc(ours[key], theirs[key], bytes.Compare) {
		case -1:
			r.complain(LostTie)
			return
		case 1:
			return
		}
	}
}

// claim is class, type and uncompressed data of a record, in the order in which
// they are compared.
func claim(rr dns.RR) []byte {
	buf := make([]byte, dns.Len(rr)+16)
	end, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return nil
	}
	h := rr.Header()
	_, at, err := dns.UnpackDomainName(buf, 0)
	if err != nil || at+10 > end {
		return nil
	}
	out := binary.BigEndian.AppendUint16(nil, h.Class&^flushBit)
	out = binary.BigEndian.AppendUint16(out, h.Rrtype)
	return append(out, buf[at+10:end]...)
}
