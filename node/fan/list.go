package fan

import "sync"

// Entry is a cursor: topic, slot of the subscription and the low half of the
// next number to read. It exists only while there is something to read.
type Entry uint64

// An entry packs the three in 8 bytes, which sets the most topics and
// subscriptions that there can be.
const (
	TopicBits = 20
	slotBits  = 12
	MaxTopics = EndMark
	MaxSlots  = 1<<slotBits - 1
)

// NewEntry packs a cursor.
func NewEntry(topic uint32, slot uint16, from uint64) Entry {
	return Entry(topic)<<44 | Entry(slot)<<32 | Entry(uint32(from))
}

// Topic is the topic's number.
func (e Entry) Topic() uint32 { return uint32(e >> 44) }

// Slot is the subscription's place in its session.
func (e Entry) Slot() uint16 { return uint16(e>>32) & MaxSlots }

// From is the low half of the next number to read.
func (e Entry) From() uint32 { return uint32(e) }

// Topics of entries that are none: behind a subscription's stored readings, and
// behind what is left to read of a topic that ended.
const (
	LiveMark = 1<<TopicBits - 1
	EndMark  = 1<<TopicBits - 2
)

// IsMark reports whether the entry is no cursor.
func (e Entry) IsMark() bool { return e.Topic() >= EndMark }

// List is a FIFO of entries, in blocks that come and go with what it holds. The
// first two lie in it: most sessions are never behind on more topics, and hold
// no other memory for it. A list that grows is not copied: thirty readers of
// everything that never read would leave more garbage than they hold.
type List struct {
	more  *[]*block // nil while small does
	head  int32     // of the first block, or of small
	n     int32
	small [2]Entry
}

type block [blockSize]Entry

const (
	blockBits  = 6
	blockSize  = 1 << blockBits
	blockBytes = blockSize * 8
)

// spareBlocks are for sessions that see many topics at a time, again and again.
var spareBlocks = sync.Pool{New: func() any { return new(block) }}

// Len is how many entries are on it.
func (f *List) Len() int32 { return f.n }

// At is the entry at i, 0 is the first.
func (f *List) At(i int32) *Entry {
	k := f.head + i
	if f.more == nil {
		return &f.small[k&1]
	}
	return &(*f.more)[k>>blockBits][k&(blockSize-1)]
}

func (f *List) blocks() []*block {
	if f.more == nil {
		return nil
	}
	return *f.more
}

// Bytes is the memory that the list holds besides itself.
func (f *List) Bytes() int64 { return int64(len(f.blocks())) * blockBytes }

// Push appends e and returns how many bytes the list grew.
func (f *List) Push(e Entry) (grown int) {
	if f.more == nil && f.n == int32(len(f.small)) {
		b := spareBlocks.Get().(*block)
		b[0], b[1] = *f.At(0), *f.At(1)
		f.more, f.head = &[]*block{b}, 0
		grown = blockBytes
	}
	if f.more != nil && int(f.head+f.n) == len(*f.more)*blockSize {
		*f.more = append(*f.more, spareBlocks.Get().(*block))
		grown += blockBytes
	}
	f.n++
	*f.At(f.n - 1) = e
	return grown
}

// Pop drops the first entry and returns how many bytes were given back.
func (f *List) Pop() (freed int) {
	f.head++
	f.n--
	switch {
	case f.more == nil:
		f.head &= 1
	case f.n == 0:
		freed = f.Truncate(0)
	case f.head == blockSize:
		b := *f.more
		spareBlocks.Put(b[0])
		*f.more = b[:copy(b, b[1:])]
		f.head = 0
		freed = blockBytes
	}
	return freed
}

// Truncate keeps the first n entries and returns how many bytes were given back.
func (f *List) Truncate(n int32) (freed int) {
	f.n = n
	keep := int(f.head+n+blockSize-1) >> blockBits
	if n == 0 {
		keep = 0
	}
	blocks := f.blocks()
	for _, b := range blocks[min(keep, len(blocks)):] {
		spareBlocks.Put(b)
		freed += blockBytes
	}
	if keep == 0 {
		*f = List{}
	} else if f.more != nil {
		*f.more = blocks[:keep]
	}
	return freed
}
