package mdns

import (
	"encoding/binary"
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Times of RFC 6762 section 6, 7.1, 7.2, 5.4 and 8.1.
const (
	minGap       = time.Second            // between two multicasts of a record
	minDefend    = 250 * time.Millisecond // the same, to defend a name against a probe
	truncWait    = 400 * time.Millisecond // for the rest of a split list of known answers
	recent       = TTL / 4 * time.Second  // a quarter of the TTL
	halfTTL      = TTL / 2
	hostTakeover = 250 * time.Millisecond // Avahi's answer needs at most 120 ms and the link
)

// Conflict tells which name another host holds.
type Conflict int

// The conflicts, in the order of their weight.
const (
	NoConflict       Conflict = iota
	LostTie                   // another host probes for the same name and won: try again in a second
	InstanceConflict          // choose another instance name
	HostConflict              // choose another host name
)

// Stats counts what a responder did.
type Stats struct {
	Queries   uint64 // with at least one question for us
	Answers   uint64 // multicast packets sent
	Unicast   uint64 // unicast replies sent
	Limited   uint64 // packets and replies withheld by a rate
	OffLink   uint64 // from a source outside of the link's subnets
	Malformed uint64
	Conflicts uint64
}

// Packet is one datagram received on the link.
type Packet struct {
	Data      []byte
	Src       netip.AddrPort
	Multicast bool // sent to the group; false where it was sent to this host
}

type phase int

const (
	probing phase = iota // names are not ours yet: nothing is answered
	serving
	closed
)

// Responder answers for one identity on one link. It is not safe for
// concurrent use, and never keeps a packet.
type Responder struct {
	Stats

	sets          []*set
	own           map[netip.Addr]bool
	prefixes      []netip.Prefix
	phase         phase
	conflict      Conflict
	hostElsewhere bool // another responder on this board (Avahi) answers for the host name
	hostDoubt     bool // a question for the host name waits for its answer
	news          bool // Due or Conflict would give something new
	limits        limiter
}

// NewResponder makes a responder in the probing phase.
func NewResponder(id Identity, v View) *Responder {
	r := &Responder{sets: buildSets(id)}
	r.limits.seed = maphash.MakeSeed()
	r.SetView(v)
	return r
}

// SetView tells the addresses of the link, at the start and after a change.
func (r *Responder) SetView(v View) {
	r.prefixes = v.Prefixes
	r.own = make(map[netip.Addr]bool, len(v.Own))
	for _, a := range v.Own {
		r.own[bare(a)] = true
	}
	fillHost(r.sets, v)
}

// Serve ends the probing phase: the names are ours.
func (r *Responder) Serve() { r.phase = serving }

// Close ends all answers; what is heard from now on, such as our own goodbye,
// is ignored.
func (r *Responder) Close() { r.phase = closed }

// HostElsewhere reports whether another responder on this board answers for
// the host name.
func (r *Responder) HostElsewhere() bool { return r.hostElsewhere }

// Conflict reports and forgets what the packets so far said about our names.
func (r *Responder) Conflict() Conflict {
	c := r.conflict
	r.conflict = NoConflict
	return c
}

func (r *Responder) complain(c Conflict) {
	r.Conflicts++
	r.conflict = max(r.conflict, c)
	r.news = true
}

// News reports and forgets whether [Responder.Due] or [Responder.Conflict] have
// something new to tell: most packets of a link change nothing.
func (r *Responder) News() bool {
	n := r.news
	r.news = false
	return n
}

// Handle takes one packet from the link. It returns a reply to be sent to the
// packet's source, or nil; what is to be multicast is marked for [Responder.Due].
func (r *Responder) Handle(now time.Time, p Packet) []byte {
	p.Src = netip.AddrPortFrom(bare(p.Src.Addr()), p.Src.Port())
	if r.phase == closed {
		return nil
	}
	if !r.onLink(p.Src.Addr()) || p.Src.Port() == 0 {
		r.OffLink++
		return nil
	}
	if !r.limits.packet(now, p.Src.Addr()) {
		r.Limited++
		return nil
	}
	if !plausible(p.Data) {
		r.Malformed++
		return nil
	}
	var m dns.Msg
	if err := m.Unpack(p.Data); err != nil {
		r.Malformed++
		return nil
	}
	if m.Response {
		// RFC 6762 section 6: a response from another port is to be ignored.
		// One that was sent to us alone says nothing of what others have heard.
		if p.Src.Port() == Port && p.Multicast {
			r.heard(now, &m, p.Src.Addr())
		}
		return nil
	}
	if r.phase == probing {
		if len(m.Ns) > 0 {
			r.tieBreak(&m)
		}
		return nil
	}
	return r.query(now, &m, p)
}

// plausible looks at the header only, so that a packet with absurd counts costs
// nothing. Opcode and response code must be zero (RFC 6762 sections 18.3, 18.11).
func plausible(b []byte) bool {
	if len(b) < 12 || len(b) > maxPacket {
		return false
	}
	records := 0
	for i := 4; i < 12; i += 2 {
		records += int(binary.BigEndian.Uint16(b[i:]))
	}
	return b[2]&0x78 == 0 && b[3]&0x0f == 0 && records > 0 && records <= maxRecords
}

// onLink is RFC 6762 section 11: an answer to a source that is not on the link
// would make us a lever for whoever forged it.
func (r *Responder) onLink(a netip.Addr) bool {
	if a.IsLinkLocalUnicast() || r.own[a] {
		return true
	}
	for _, p := range r.prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// bare is an address without zone and without the IPv4-in-IPv6 form.
func bare(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// query answers the questions of a packet.
func (r *Responder) query(now time.Time, m *dns.Msg, p Packet) []byte {
	legacy := p.Src.Port() != Port
	var direct, public bits // asked for by unicast, by multicast
	var asked []dns.Question
	for _, q := range m.Question[:min(len(m.Question), maxQuestions)] {
		hit := r.match(q)
		if hit == 0 {
			continue
		}
		asked = append(asked, q)
		if q.Qclass&flushBit != 0 || legacy || !p.Multicast {
			direct |= hit
		} else {
			public |= hit
		}
	}
	if direct|public == 0 {
		return nil
	}
	r.Queries++
	if legacy {
		return r.limited(now, p, r.legacyReply(m.Id, asked, direct))
	}
	if len(m.Ns) > 0 {
		r.defend(now, m, direct|public)
		return nil
	}
	known := r.known(m)
	direct, public = direct&^known, public&^known
	// RFC 6762 section 5.4: who asks for unicast gets it, and the link hears it
	// too if it has not lately.
	for i, s := range r.sets {
		if direct.has(i) && now.Sub(s.last) > recent {
			public |= 1 << i
		}
	}
	r.mark(now, public, m.Truncated)
	if direct == 0 {
		return nil
	}
	return r.limited(now, p, r.pack(direct, nil))
}

// limited gives the reply if the budgets allow it.
func (r *Responder) limited(now time.Time, p Packet, reply []byte) []byte {
	if reply == nil {
		return nil
	}
	if !r.limits.unicast(now, p.Src.Addr(), len(reply)) {
		r.Limited++
		return nil
	}
	r.Unicast++
	return reply
}

// match gives the sets that answer a question.
func (r *Responder) match(q dns.Question) (hit bits) {
	if class := q.Qclass &^ flushBit; class != dns.ClassINET && class != dns.ClassANY {
		return 0
	}
	name := fold(q.Name)
	for i, s := range r.sets {
		// Avahi knows whether the host has other records than addresses: HINFO, say.
		if s.typ == dns.TypeNSEC && s.host && r.hostElsewhere && q.Qtype != dns.TypeA && q.Qtype != dns.TypeAAAA {
			continue
		}
		if s.answers(name, q.Qtype) {
			hit |= 1 << i
		}
	}
	return hit
}

// known gives the sets that the querier has already, with at least half of
// their time left (RFC 6762 section 7.1).
func (r *Responder) known(m *dns.Msg) (k bits) {
	for i, s := range r.sets {
		n := 0
		for _, rr := range m.Answer {
			if ttl := rr.Header().Ttl; ttl >= halfTTL && ttl <= TTL && s.holds(rr) {
				n++
			}
		}
		if n > 0 && n >= len(s.rrs) {
			k |= 1 << i
		}
	}
	return k
}

// mark schedules multicast answers: what others may answer too waits a little
// (RFC 6762 section 6), what is ours alone goes at once, all within the rate.
func (r *Responder) mark(now time.Time, which bits, truncated bool) {
	shared := 20*time.Millisecond + rand.N(100*time.Millisecond)
	for i, s := range r.sets {
		if !which.has(i) {
			continue
		}
		wait := time.Duration(0)
		switch {
		case truncated:
			wait = truncWait + rand.N(100*time.Millisecond) // section 7.2
		case s.host && r.hostElsewhere:
			wait = hostTakeover
			// Where the link has just heard it from us, Avahi may keep silent.
			r.hostDoubt = r.hostDoubt || now.Sub(s.last) > minGap+hostTakeover
		case !s.unique:
			wait = shared
		}
		r.schedule(s, now.Add(wait), minGap)
	}
}

// schedule sets the time of a set's next multicast, or leaves an earlier one.
func (r *Responder) schedule(s *set, at time.Time, gap time.Duration) {
	if free := s.last.Add(gap); at.Before(free) {
		at = free
	}
	if s.due.IsZero() || at.Before(s.due) {
		s.due = at
		r.news = true
	}
}

// Announce marks everything: after a start or a change of address.
func (r *Responder) Announce(now time.Time) {
	for _, s := range r.sets {
		if !s.mute && (!s.host || !r.hostElsewhere) {
			r.schedule(s, now, minGap)
		}
	}
}

// Due gives the packet to multicast now, or nil, and the time of the next one,
// zero if there is none.
func (r *Responder) Due(now time.Time) (pkt []byte, next time.Time) {
	if r.phase != serving {
		return nil, time.Time{}
	}
	var send bits
	for i, s := range r.sets {
		switch {
		case s.due.IsZero():
		case s.due.After(now):
			if next.IsZero() || s.due.Before(next) {
				next = s.due
			}
		default:
			s.due = time.Time{}
			if len(s.rrs) > 0 {
				send |= 1 << i
				if s.host && r.hostDoubt {
					// The question stood unanswered: Avahi has gone.
					r.hostElsewhere, r.hostDoubt = false, false
				}
			}
		}
	}
	if send == 0 {
		return nil, next
	}
	pkt = r.pack(send, &now)
	if pkt != nil {
		r.Answers++
	}
	return pkt, next
}
