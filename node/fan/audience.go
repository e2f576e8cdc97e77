package fan

import "unsafe"

// Listener is a subscription: L itself, so that an audience's list holds it as it is.
type Listener[L any] interface {
	comparable
	Rank() uint64    // of two that fit a topic the higher serves it; no two are equal
	Exact() bool     // to exactly the name of one topic
	Pattern() string // a name, or with wildcards
	Sibling(L) bool  // of the same session
	Place() *int32   // in its list of the trie
}

// Audience is who hears a topic. Topics with the same listeners share one; it
// never changes, a changed audience is another one. One subscription stands
// for a session: its most particular one.
type Audience[L Listener[L]] struct {
	first *L    // of its listeners, which lie side by side
	n     int32 // of them
	refs  int32 // topics that have it; guarded by the hub's mu
	exact int32 // subscriptions to exactly the name of the only topic that can have it
}

// alone is an audience of one, and most are: its list lies in it.
type alone[L Listener[L]] struct {
	Audience[L]
	list [1]L
}

func newAudience[L Listener[L]](subs []L) *Audience[L] {
	if len(subs) == 1 {
		a := &alone[L]{list: [1]L{subs[0]}}
		a.first, a.n = &a.list[0], 1
		return &a.Audience
	}
	return &Audience[L]{first: &subs[0], n: int32(len(subs))}
}

// Named reports whether somebody subscribed to the topic's exact name.
func (a *Audience[L]) Named() bool { return a != nil && a.exact > 0 }

// Listeners are all of them, not to be changed.
func (a *Audience[L]) Listeners() []L {
	if a == nil {
		return nil
	}
	return unsafe.Slice(a.first, a.n)
}

// Audiences finds the audience with given listeners, by their sum. Two whose sums
// are equal, which does not happen in the life of a hub, would not be shared.
type Audiences[L Listener[L]] map[uint64]*Audience[L]

// Get returns the audience of subs, which it keeps when it is new. An empty
// audience is nil.
func (as Audiences[L]) Get(subs []L) *Audience[L] {
	if len(subs) == 0 {
		return nil
	}
	a := newAudience(subs)
	for _, s := range subs {
		if s.Exact() {
			a.exact++
		}
	}
	if a.exact > 0 {
		return a // no other topic can have it
	}
	h := sum(subs)
	switch b := as[h]; {
	case b == nil:
		as[h] = a
	case sameSubs(b.Listeners(), subs):
		return b
	}
	return a
}

// sum is of the subscriptions' mixed ranks: their order does not matter.
func sum[L Listener[L]](subs []L) (h uint64) {
	for _, s := range subs {
		h += mix(s.Rank())
	}
	return h
}

// sameSubs compares as sets: no subscription stands twice.
func sameSubs[L Listener[L]](a, b []L) bool {
	if len(a) != len(b) {
		return false
	}
	same := true
	for i := range a {
		if a[i] != b[i] {
			same = false
			break
		}
	}
	if same {
		return true
	}
	in := make(map[L]bool, len(a))
	for _, s := range a {
		in[s] = true
	}
	for _, s := range b {
		if !in[s] {
			return false
		}
	}
	return true
}

// Take counts one topic more that has the audience.
func (a *Audience[L]) Take() {
	if a != nil {
		a.refs++
	}
}

// Refs is how many topics have it.
func (a *Audience[L]) Refs() int32 { return a.refs }

// All yields the audiences that topics share.
func (as Audiences[L]) All(yield func(*Audience[L]) bool) {
	for _, a := range as {
		if !yield(a) {
			return
		}
	}
}

// Release gives one topic's reference back.
func (as Audiences[L]) Release(a *Audience[L]) {
	if a == nil {
		return
	}
	if a.refs--; a.refs > 0 || a.exact > 0 {
		return
	}
	if h := sum(a.Listeners()); as[h] == a {
		delete(as, h)
	}
}

// mix spreads a rank over 64 bits (the finalizer of splitmix64), so that sums
// of few ranks do not meet.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// With is the listeners with b among them, in the place of a less particular one
// of its session.
func (a *Audience[L]) With(b L) []L {
	old := a.Listeners()
	for i, c := range old {
		if c.Sibling(b) {
			if c.Rank() >= b.Rank() {
				return old
			}
			subs := append([]L(nil), old...)
			subs[i] = b
			return subs
		}
	}
	subs := make([]L, len(old)+1)
	subs[copy(subs, old)] = b
	return subs
}
