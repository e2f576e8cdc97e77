package mdns

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// Bounds of what packets from the link can make the responder do. A reply is
// about 500 bytes: a hundred sensors that boot together are served at once, and
// the most a flood gets out of the responder is replyRate.
const (
	maxQuestions = 16   // a packet with more has its first 16 answered
	maxRecords   = 512  // a packet that claims more is not parsed
	maxPacket    = 9000 // RFC 6762 section 17

	replyRate  = 32 << 10 // bytes a second of unicast replies on a link
	replyBurst = 64 << 10
	srcReplies = 10 // unicast replies a second to one source
	srcPackets = 300
	srcSlots   = 256
	packetRate = 2000 // packets a second that are parsed; a busy LAN has a hundred
)

// bucket is a token bucket. The zero value is full.
type bucket struct {
	used float64
	last time.Time
}

// take takes n tokens of a bucket that holds burst and gets rate a second.
func (b *bucket) take(now time.Time, n, rate, burst float64) bool {
	if d := now.Sub(b.last); d > 0 {
		b.used = max(0, b.used-d.Seconds()*rate)
		b.last = now
	}
	if b.used+n > burst {
		return false
	}
	b.used += n
	return true
}

// limiter has a fixed size: sources that share a slot share its rates.
type limiter struct {
	seed    maphash.Seed
	packets bucket
	reply   bucket
	src     [srcSlots]struct{ packets, replies bucket }
}

func (l *limiter) slot(a netip.Addr) int {
	b := a.As16()
	return int(maphash.Bytes(l.seed, b[:]) % srcSlots)
}

// packet reports whether a packet from a may be parsed.
func (l *limiter) packet(now time.Time, a netip.Addr) bool {
	return l.src[l.slot(a)].packets.take(now, 1, srcPackets, 2*srcPackets) &&
		l.packets.take(now, 1, packetRate, packetRate)
}

// unicast reports whether a may be sent a reply of n bytes.
func (l *limiter) unicast(now time.Time, a netip.Addr, n int) bool {
	return l.src[l.slot(a)].replies.take(now, 1, srcReplies, 2*srcReplies) &&
		l.reply.take(now, float64(n), replyRate, replyBurst)
}
