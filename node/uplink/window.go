package uplink

import (
	"strconv"
	"time"

	"topicd/codec"
	"topicd/node/store"
)

const (
	windowBytes = 512 << 10 // of readings in the window, what an item costs beside included
	windowItems = 4096      // and their number; a power of two
	itemCost    = 128
	maxTopics   = 4096 // topics whose last message is remembered; others are asked for again
)

// item is a reading in the window.
type item struct {
	place   store.Place
	t       *topic
	ep, seq uint64
	ts      int64
	from    []byte
	data    []byte
	cbor    bool
	done    bool
	under   bool          // under way
	tries   uint32        // times sent
	next    uint64        // the next of its topic, 0 = none
	sent    time.Duration // when, by the monotonic clock
	nth     uint64        // which sending of this connection it was
	wait    time.Duration // not to be sent before
}

// topic is what is known of one topic's end in the stream.
type topic struct {
	name, subject string
	head, tail    uint64 // its readings in the window that are not done, 0 = none
	last          uint64 // sequence of its last message in the stream, 0 = none
	ep, seq       uint64 // the reading which that is, if it is of this store
	known         bool   // last is
	asked         time.Duration
	ask           uint64 // number of the question that waits for its answer, 0 = none
	strikes       int    // refusals in a row
	queued        bool   // on the list of those that may send
}

// has: the stream holds that reading already.
func (t *topic) has(ep, seq uint64) bool {
	return ep < t.ep || ep == t.ep && seq <= t.seq
}

// window is a view of the log from the oldest reading without an ack on.
type window struct {
	ring       []item // windowItems of them
	head, tail uint64 // items head..tail-1; they are numbered from 1 on
	bytes      int
	next       store.Place // where the log is read on
	topics     map[string]*topic
	ready      []*topic // topics whose head may be sent
	ask        []*topic // topics to ask for
	fits       func(r *store.Reading) bool
	plain      func(r *store.Reading) []byte
	asis       bool
	prefix     string      // of subjects
	sentTo     store.Place // the newest that was sent
	again      store.Place // what is not behind it may have been sent before
}

func (w *window) at(n uint64) *item { return &w.ring[n%windowItems] }

// low is the place below which everything is in the stream.
func (w *window) low() store.Place {
	if w.head < w.tail {
		return w.at(w.head).place
	}
	return w.next
}

func (w *window) full() bool {
	return w.tail-w.head >= windowItems || w.bytes >= windowBytes
}

// rewind empties the window: the log is read again from p on.
func (w *window) rewind(p store.Place) {
	for ; w.head < w.tail; w.head++ {
		w.at(w.head).release()
	}
	w.head = max(w.head, 1)
	w.tail = w.head
	w.bytes, w.next = 0, p
	w.again = w.sentTo
	w.ready, w.ask = w.ready[:0], w.ask[:0]
	for _, t := range w.topics {
		t.head, t.tail, t.ask, t.queued, t.strikes = 0, 0, 0, false, 0
	}
}

// release gives back a buffer that one large reading made large.
func (it *item) release() {
	it.t = nil
	if cap(it.data) > 256 {
		it.data = nil
	}
}

// topic finds or makes a topic, and forgets others when there are too many.
func (w *window) topic(name string) *topic {
	if t := w.topics[name]; t != nil {
		return t
	}
	if len(w.topics) >= maxTopics {
		n := 0
		for k, t := range w.topics {
			if t.head == 0 && t.ask == 0 && !t.queued {
				delete(w.topics, k)
				if n++; n == maxTopics/8 {
					break
				}
			}
		}
	}
	t := &topic{name: name, subject: string(AppendSubject([]byte(w.prefix), name))}
	w.topics[name] = t
	return t
}

// add takes a reading of the log. more false: the window is full.
func (w *window) add(r *store.Reading) (more bool) {
	if !w.fits(r) {
		return true
	}
	t := w.topic(r.Topic)
	if t.known && t.has(r.Ep, r.Seq) {
		return true // counted when that was learned
	}
	n := w.tail
	it := w.at(n)
	*it = item{place: r.Place, t: t, ep: r.Ep, seq: r.Seq, ts: r.TS, from: append(it.from[:0], r.From...), data: it.data[:0]}
	data := w.plain(r)
	if it.cbor = r.Flags&store.CBOR != 0; it.cbor && !w.asis {
		if b, err := codec.Transcode(it.data, codec.JSON, codec.CBOR, data); err == nil {
			it.data, it.cbor = b, false
		}
	}
	if it.cbor || r.Flags&store.CBOR == 0 {
		it.data = append(it.data[:0], data...)
	}
	w.tail++
	w.bytes += it.size()
	if t.head == 0 {
		t.head, t.tail = n, n
		w.offer(t)
	} else {
		w.at(t.tail).next = n
		t.tail = n
	}
	return !w.full()
}

func (it *item) size() int { return itemCost + len(it.t.name) + len(it.from) + len(it.data) }

// offer puts a topic whose head is not under way on the list that it belongs to.
func (w *window) offer(t *topic) {
	switch {
	case t.head == 0 || t.queued || t.ask != 0 || w.at(t.head).under:
	case t.known:
		t.queued = true
		w.ready = append(w.ready, t)
	default:
		t.queued = true
		w.ask = append(w.ask, t)
	}
}

// finish takes a reading that is in the stream, and those that are done behind the
// oldest, out of the window.
func (w *window) finish(n uint64) {
	it := w.at(n)
	t := it.t
	it.done, it.under = true, false
	if t.head == n {
		if t.head = it.next; t.head == 0 {
			t.tail = 0
		}
	}
	for w.head < w.tail && w.at(w.head).done {
		it := w.at(w.head)
		w.bytes -= it.size()
		it.release()
		w.head++
	}
}

// settle notes what a topic's last message in the stream is, and finishes what that
// says is there.
func (w *window) settle(t *topic, last, ep, seq uint64) (there int) {
	t.known, t.last, t.ep, t.seq = true, last, ep, seq
	for t.head != 0 {
		it := w.at(t.head)
		if !t.has(it.ep, it.seq) {
			break
		}
		w.finish(t.head)
		there++
	}
	return there
}

// AppendID appends a reading's Nats-Msg-Id.
func (w *window) appendID(b []byte, site string, it *item) []byte {
	b = append(append(b, site...), ':')
	b = append(strconv.AppendUint(b, it.ep, 10), ':')
	b = append(strconv.AppendUint(b, it.seq, 10), ':')
	return append(b, it.t.name...)
}
