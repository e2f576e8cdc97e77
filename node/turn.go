package node

// Turn is one go of a transport's worker: the time when it began, by both
// clocks, and the sessions that it made ready. Publishing only collects them, so that a worker
// that has read many frames writes each session once.
type Turn struct {
	Wall   int64 // milliseconds since 1970: the ts of what is published, and nothing else
	Mono   int64 // milliseconds of the hub's own clock, which only goes forward
	ready  []*Session
	taken  []*Session // what Take returned last: the two lists swap
	leaves leaver     // what makes room for what is published
}

// Take returns the sessions made ready so far and forgets them. The slice is
// good until the next Take; the turn may go on meanwhile.
func (t *Turn) Take() []*Session {
	t.ready, t.taken = t.taken[:0], t.ready
	return t.taken
}

// Wake wakes the sessions made ready: the end of a turn for callers that do
// not write sessions themselves.
func (t *Turn) Wake() {
	for _, s := range t.Take() {
		s.sink.Wake()
	}
}
