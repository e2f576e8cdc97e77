package node

import "time"

// Sweep does what time asks for: unused topics go, silent sessions become
// stale. The transport calls it about once a second, sooner where SweepIn says so;
// a call looks at a part of the topics only, unless one may live so short that it
// would be found too late.
func (h *Hub) Sweep(turn *Turn) {
	h.listed.forget()
	now := turn.Mono
	h.mu.Lock()
	seen := h.sweepPartLocked(now)
	for h.brief && seen < h.topics.used {
		h.mu.Unlock() // others first: a part is what nobody notices
		h.mu.Lock()
		seen += h.sweepPartLocked(now)
	}
	h.staleLocked(turn)
	h.statsLocked(turn)
	h.forgetDevicesLocked(now)
	h.mu.Unlock()
	h.reap(now, 1)
}

// sweepPartLocked looks at the next topics, and returns how many it has looked at.
func (h *Hub) sweepPartLocked(now int64) uint32 {
	expired := int64(0)
	n := min(h.topics.used, 256+h.topics.used/16)
	for range n {
		if h.swept++; h.swept >= h.topics.used {
			h.swept = 0
		}
		if t := h.topics.at(h.swept); t != nil {
			t.mu.Lock()
			if h.expiredLocked(t, now) {
				h.killLocked(t, now, false)
				expired++
			}
			t.mu.Unlock()
		}
	}
	h.Stats.Add(Expired, expired)
	return max(n, 1)
}

// briefKeep: a topic that lives shorter is looked at in each sweep.
const briefKeep = time.Minute

// SweepIn is how soon the next sweep is due, whoever is connected: a topic that is
// to live for seconds must not live for a round of sweeps more.
func (h *Hub) SweepIn() time.Duration {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.brief && h.topics.used > 0 {
		return 500 * time.Millisecond
	}
	return 4 * time.Second
}

// expiredLocked notes since when t is unused and reports whether that is too long. The
// caller holds mu and t.mu, and ends it before a reading comes that was then accepted.
// Only a subscription to its exact name keeps a topic: with one to # left open
// for years nothing would ever go. Of its publishers the last two count: to
// remember all of them would cost a bridge more than its topics.
func (h *Hub) expiredLocked(t *Topic, now int64) bool {
	d := t.declared()
	if d.static || t.dead || t.durableLocked() || t.aud.Named() || h.usedByLocked(t.by[0]) || h.usedByLocked(t.by[1]) {
		t.idle = 0
		return false
	}
	at := uint32((now-h.began)/1000) + 1
	if t.idle == 0 {
		t.idle = at
	}
	since := t.idle
	if t.log.Count() > 0 { // who publishes over HTTP is gone when the next sweep comes
		last := uint32(max(0, h.arrived(t, t.log.Next()-1)-h.began)/1000) + 1
		if t.by[0] == 0 { // the hub's own
			since = min(since, last)
		} else {
			since = max(since, last)
		}
	}
	keep := d.keep
	if keep == keepDefault {
		keep = uint32(h.opt.Keep.Seconds())
	}
	return at >= since && at-since >= keep
}

// usedByLocked: a session that is there keeps what it published. The caller
// holds mu.
func (h *Hub) usedByLocked(id uint32) bool {
	s := h.sessionLocked(id)
	return s != nil && !s.agent
}

// reapIfDue ends a topic whose keep time is 0 the moment its last user leaves.
func (h *Hub) reapIfDue(t *Topic, now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.declared(); d.keep == 0 && !d.static && !t.dead && !t.durableLocked() && !t.aud.Named() {
		h.killLocked(t, now, false)
	}
}
