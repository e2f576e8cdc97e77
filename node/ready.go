package node

import (
	"sync"
	"sync/atomic"
)

// entry is a cursor: topic, slot of the subscription and the low half of the
// next number to read. It exists only while there is something to read.
type entry uint64

func newEntry(topic uint32, slot uint16, from uint64) entry {
	return entry(topic)<<44 | entry(slot)<<32 | entry(uint32(from))
}
func (e entry) topic() uint32 { return uint32(e >> 44) }
func (e entry) slot() uint16  { return uint16(e>>32) & maxSubs }
func (e entry) from() uint32  { return uint32(e) }

// Topics of entries that are none: behind a subscription's stored readings, and
// behind what is left to read of a topic that ended.
const (
	liveMark = 1<<topicBits - 1
	endMark  = 1<<topicBits - 2
)

// isMark reports whether the entry is no cursor.
func (e entry) isMark() bool { return e.topic() >= endMark }

// fifo is a list of entries, in blocks that come and go with what it holds. The
// first two lie in it: most sessions are never behind on more topics, and hold
// no other memory for it. A list that grows is not copied: thirty readers of
// everything that never read would leave more garbage than they hold.
type fifo struct {
	blocks []*block // nil while small does
	head   int32    // of the first block, or of small
	n      int32
	small  [2]entry
}

type block [blockSize]entry

const (
	blockBits  = 6
	blockSize  = 1 << blockBits
	blockBytes = blockSize * 8
)

// spareBlocks are for sessions that see many topics at a time, again and again.
var spareBlocks = sync.Pool{New: func() any { return new(block) }}

func (f *fifo) at(i int32) *entry {
	k := f.head + i
	if f.blocks == nil {
		return &f.small[k&1]
	}
	return &f.blocks[k>>blockBits][k&(blockSize-1)]
}

// bytes is the memory that the list holds besides itself.
func (f *fifo) bytes() int64 { return int64(len(f.blocks)) * blockBytes }

// push appends e and returns how many bytes the list grew.
func (f *fifo) push(e entry) (grown int) {
	if f.blocks == nil && f.n == int32(len(f.small)) {
		b := spareBlocks.Get().(*block)
		b[0], b[1] = *f.at(0), *f.at(1)
		f.blocks, f.head = append(f.blocks, b), 0
		grown = blockBytes
	}
	if f.blocks != nil && int(f.head+f.n) == len(f.blocks)*blockSize {
		f.blocks = append(f.blocks, spareBlocks.Get().(*block))
		grown += blockBytes
	}
	f.n++
	*f.at(f.n - 1) = e
	return grown
}

// pop drops the first entry and returns how many bytes were given back.
func (f *fifo) pop() (freed int) {
	f.head++
	f.n--
	switch {
	case f.blocks == nil:
		f.head &= 1
	case f.n == 0:
		freed = f.truncate(0)
	case f.head == blockSize:
		spareBlocks.Put(f.blocks[0])
		f.blocks = f.blocks[:copy(f.blocks, f.blocks[1:])]
		f.head = 0
		freed = blockBytes
	}
	return freed
}

// truncate keeps the first n entries and returns how many bytes were given back.
func (f *fifo) truncate(n int32) (freed int) {
	f.n = n
	keep := int(f.head+n+blockSize-1) >> blockBits
	if n == 0 {
		keep = 0
	}
	for _, b := range f.blocks[min(keep, len(f.blocks)):] {
		spareBlocks.Put(b)
		freed += blockBytes
	}
	if keep == 0 {
		*f = fifo{}
	} else if f.blocks != nil {
		f.blocks = f.blocks[:keep]
	}
	return freed
}

// bitPage holds the marks of as many topics as a page of the table.
type bitPage [1 << pageBits / 32]atomic.Uint32

// marked reports whether the cursor of this subscription on t exists already.
// One atomic load (three for a pattern): the price of a publish for a reader
// that has not caught up. Called with t.mu held.
func (b *Subscription) marked(t *Topic) bool {
	if b.exact {
		return b.ready.Load() == t.idx+1
	}
	return b.s.bit(t.idx)
}

func (s *Session) bit(idx uint32) bool {
	dir := s.bits.Load()
	if dir == nil || int(idx>>pageBits) >= len(*dir) {
		return false
	}
	p := (*dir)[idx>>pageBits]
	return p != nil && p[idx>>5&(1<<pageBits/32-1)].Load()&(1<<(idx&31)) != 0
}

// setMarkLocked notes that a cursor of b on t exists.
func (b *Subscription) setMarkLocked(t *Topic, on bool) {
	if b.exact {
		// Of a name that ended and was made again the cursor on the old topic may be
		// on the list still.
		if on {
			b.ready.Store(t.idx + 1)
		} else {
			b.ready.CompareAndSwap(t.idx+1, 0)
		}
		return
	}
	b.s.setBitLocked(t.idx, on)
}

func (s *Session) setBitLocked(idx uint32, on bool) {
	dir := s.bits.Load()
	p := int(idx >> pageBits)
	if dir == nil || p >= len(*dir) || (*dir)[p] == nil {
		if !on {
			return
		}
		var grown []*bitPage
		if dir != nil {
			grown = append(grown, *dir...)
		}
		for len(grown) <= p {
			grown = append(grown, nil)
		}
		grown[p] = new(bitPage)
		dir = &grown
		s.bits.Store(dir)
	}
	w := &(*dir)[p][idx>>5&(1<<pageBits/32-1)]
	if on {
		w.Store(w.Load() | 1<<(idx&31))
	} else {
		w.Store(w.Load() &^ (1 << (idx & 31)))
	}
}
