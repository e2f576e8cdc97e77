package mdns

import (
	"slices"
	"time"

	"github.com/miekg/dns"
)

// pack writes a response with the sets and what belongs to them. With now it is
// a multicast one: additional sets that were sent within the last second stay
// out, and all that goes in is noted as sent.
func (r *Responder) pack(answer bits, now *time.Time) []byte {
	m := dns.Msg{Compress: true}
	m.Response, m.Authoritative = true, true
	extra := r.extras(answer)
	for i, s := range r.sets {
		switch {
		case answer.has(i):
			m.Answer = append(m.Answer, s.copies(TTL, true)...)
		case extra.has(i) && (now == nil || now.Sub(s.last) >= minGap):
			m.Extra = append(m.Extra, s.copies(TTL, true)...)
		default:
			continue
		}
		if now != nil {
			s.last = *now
			s.due = time.Time{}
		}
	}
	return encode(&m)
}

// legacyReply is a reply as plain DNS would give it: id and question repeated,
// short TTLs, no flush bit (RFC 6762 section 6.7).
func (r *Responder) legacyReply(id uint16, asked []dns.Question, answer bits) []byte {
	m := dns.Msg{Compress: true}
	m.Id, m.Response, m.Authoritative = id, true, true
	for _, q := range asked {
		q.Qclass &^= flushBit
		m.Question = append(m.Question, q)
	}
	extra := r.extras(answer)
	for i, s := range r.sets {
		switch {
		case s.typ == dns.TypeNSEC: // plain resolvers have no use for it
		case answer.has(i):
			m.Answer = append(m.Answer, s.copies(legacyTTL, false)...)
		case extra.has(i):
			m.Extra = append(m.Extra, s.copies(legacyTTL, false)...)
		}
	}
	if len(m.Answer) == 0 {
		return nil
	}
	return encode(&m)
}

func (r *Responder) extras(answer bits) (extra bits) {
	for i, s := range r.sets {
		if answer.has(i) {
			extra |= s.extra
		}
		if s.mute {
			answer |= 1 << i // not as an extra
		}
	}
	return extra &^ answer
}

// copies gives the set's records for one packet.
func (s *set) copies(ttl uint32, flush bool) []dns.RR {
	out := make([]dns.RR, len(s.rrs))
	for i, rr := range s.rrs {
		c := twin(rr)
		c.Header().Ttl = ttl
		if flush && s.unique {
			c.Header().Class |= flushBit
		}
		out[i] = c
	}
	return out
}

// twin has a head of its own, and shares the data. dns.Copy would link the copying of
// ninety types.
func twin(rr dns.RR) dns.RR {
	switch r := rr.(type) {
	case *dns.A:
		c := *r
		return &c
	case *dns.AAAA:
		c := *r
		return &c
	case *dns.NSEC:
		c := *r
		return &c
	case *dns.PTR:
		c := *r
		return &c
	case *dns.SRV:
		c := *r
		return &c
	default:
		c := *rr.(*dns.TXT)
		return &c
	}
}

// encode packs a message; one that cannot be packed is not sent. A set that is
// too large for a packet drops its additional records: they can be asked for.
func encode(m *dns.Msg) []byte {
	b, err := m.Pack()
	if err == nil && len(b) > maxReply && len(m.Extra) > 0 {
		m.Extra = nil
		b, err = m.Pack()
	}
	if err != nil {
		return nil
	}
	return b
}

// maxReply keeps a packet within one frame of Ethernet (RFC 6762 section 17).
const maxReply = 1440

// Probe gives the packet that asks whether our names are taken: one question
// for each, and what we would claim in the authority section (RFC 6762 section
// 8.1). It asks for a multicast answer although the RFC suggests unicast: a
// unicast one to this board would reach only one of the sockets on port 5353,
// and Avahi's may be that one.
func (r *Responder) Probe() []byte {
	m := dns.Msg{Compress: true}
	var names []string
	for _, s := range r.sets {
		if !s.unique {
			continue
		}
		if !slices.Contains(names, s.name) {
			names = append(names, s.name)
			m.Question = append(m.Question, dns.Question{Name: s.name, Qtype: dns.TypeANY, Qclass: dns.ClassINET})
		}
		if s.typ != dns.TypeNSEC {
			m.Ns = append(m.Ns, s.copies(TTL, false)...)
		}
	}
	return encode(&m)
}
