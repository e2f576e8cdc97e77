// Package minutes keeps what has left a topic's log of readings: of each number in them
// the least, the mean and the greatest, and how many there were, a minute.
//
//	minutes  [ … 12:00 12:01 12:02 ] (12:03)  [ 41 42 43 … newest ]  the topic's log
//	                                 open ◄── a reading that leaves
//
// They are a second bounded log in the same arena. A record of it is a block of about an
// hour. Its ts is that of the first minute, its origin the low half of the number of the
// first reading in it. Its data is a head, which names the fields, and then the minutes,
// each as its difference to the one before:
//
//	head:   number of fields u8, each field: exponent (zigzag), length of its name u8, name
//	minute: minutes since the one before (zigzag), each field: readings in it; unless 0:
//	        least − least before (zigzag), greatest − least, and unless that is 0
//	        the mean's place between them, u16
//
// A value is a whole number of units of ten to the exponent. The exponent keeps as many
// decimals as the readings have, three at most, or six digits where that is more: a value
// below 1,000 is kept to six digits, any other to a thousandth, at most fifteen digits of
// it. TestBytesAMinute measured, with all that the arena adds, 4.4 bytes a minute for a
// switch, 6.7 for a temperature with one or two decimals, 10.0 where all six digits are
// noise. float32s would have taken 14, whatever they say.
//
// A minute is named by the readings' own ts and ends where they go on to another: a clock
// that is set makes another minute behind it, and none is lost or moved.
package minutes

import (
	"encoding/binary"
	"math"

	"topicd/codec"
	"topicd/node/arena"
)

// Log is the minutes of one topic. It has no lock of its own: its topic's guards it.
type Log struct {
	log  arena.Log
	open []field // of the minute that readings leave to, and of the newest block
	from uint64  // number of the first reading of that minute

	minute int64  // the open one, since 1970
	last   int64  // the newest one in the newest block
	size   uint16 // of the newest block's data; 0: there is none to go on with
	era    uint16 // of the open minute

	blockEra uint16 // of the newest block
	readings uint32 // values counted in the open minute
}

// field is one number of the readings.
type field struct {
	name          string
	min, max, sum float64 // of the open minute
	n             uint32
	exp           int16 // of the newest block
	prev          int64 // the least before, in it
}

const (
	minute   = 60_000 // milliseconds
	maxBlock = 480    // bytes of a block: of one field an hour and more, which is what goes at a time
)

// MinRoom is the bytes that minutes are worth keeping in: with less they are of less than
// an hour, and their head alone takes half as much of the heap.
const MinRoom = 512

// Share is how many bytes of a topic's cap minutes may take.
func Share(limit uint32) uint32 { return limit / 4 }

// New makes an empty one.
func New() *Log {
	m := &Log{}
	m.log.Begin(1)
	return m
}

// Bytes is what it takes of the arena. There may be none.
func (m *Log) Bytes() uint32 {
	if m == nil {
		return 0
	}
	return m.log.Bytes()
}

// Fields is how many numbers of its readings it counts.
func (m *Log) Fields() int { return len(m.open) }

// Heap is what it takes of the heap, about: a name of 16 bytes is a usual one.
func (m *Log) Heap() int64 { return 112 + int64(len(m.open))*FieldCost }

// FieldCost is what a number of the readings takes of the heap.
const FieldCost = 80

// Clear gives all that it takes of the arena back.
func (m *Log) Clear(a *arena.Arena) {
	m.log.Clear(a)
	m.size = 0
}

// Evict drops the oldest block, unless it is the only one: false.
func (m *Log) Evict(a *arena.Arena) bool {
	if m.log.Count() < 2 {
		return false
	}
	m.log.Evict(a)
	return true
}

// Passes tells that reading seq need not be counted: where readings come faster than a
// hundred a second, one in sixteen is enough for a picture, and looking at each would
// cost as much as storing it.
func (m *Log) Passes(seq uint64) bool { return m != nil && m.readings > many && seq%16 != 0 }

const many = 6000 // values in a minute

// Add counts the numbers of reading seq, r, that leaves its topic's log. limit is the
// bytes that all minutes may take. A number that is not counted yet gets its place
// only with more. lost: a minute could not be kept, for the arena has no room.
func (m *Log) Add(a *arena.Arena, seq uint64, r *arena.Record, ns []codec.Number, limit uint32, more bool) (lost bool) {
	at := r.TS / minute
	if m.readings > 0 && (at != m.minute || r.Era != m.era) {
		lost = !m.Close(a, limit)
	}
	for i := range ns {
		f := m.field(ns[i].Name, i, more)
		if f == nil {
			continue
		}
		if m.readings == 0 {
			m.minute, m.era, m.from = at, r.Era, seq
		}
		m.readings++
		v := ns[i].Value
		if f.n == 0 {
			f.min, f.max, f.sum = v, v, 0
		}
		f.min, f.max = min(f.min, v), max(f.max, v)
		f.sum += v
		f.n++
	}
	return lost
}

// field finds the one of that name, or makes it in the place of one that has nothing
// to say.
func (m *Log) field(name []byte, at int, more bool) *field {
	if at < len(m.open) && m.open[at].name == string(name) { // as in the reading before
		return &m.open[at]
	}
	for i := range m.open {
		if m.open[i].name == string(name) {
			return &m.open[i]
		}
	}
	if !more {
		return nil
	}
	if len(m.open) < codec.MaxNumbers {
		m.open = append(m.open[:len(m.open):len(m.open)], field{}) // exactly: it is counted
		m.size = 0
		f := &m.open[len(m.open)-1]
		f.name = string(name)
		return f
	}
	for i := range m.open {
		if f := &m.open[i]; f.n == 0 {
			*f = field{name: string(name)}
			m.size = 0
			return f
		}
	}
	return nil
}

// Close puts the open minute into the log: what comes next is of another. false: there
// is no room, and the minute is lost.
func (m *Log) Close(a *arena.Arena, limit uint32) bool {
	if m.readings == 0 {
		return true
	}
	defer func() {
		m.readings = 0
		for i := range m.open {
			m.open[i].n = 0
		}
	}()
	if limit < MinRoom {
		return false
	}
	block := int(min(maxBlock, limit/4))
	if m.size > 0 && m.sameScale() {
		b := m.appendMinute(make([]byte, 0, maxMinute))
		if int(m.size)+len(b) <= block && m.log.Extend(a, b, limit) {
			m.size += uint16(len(b))
			m.last = m.minute
			return true
		}
	}
	b := make([]byte, 0, maxHead+maxMinute)
	b = append(b, byte(len(m.open)))
	for i := range m.open {
		f := &m.open[i]
		if f.n > 0 {
			f.exp = scale(f)
		}
		f.prev = 0
		b = append(binary.AppendVarint(b, int64(f.exp)), byte(len(f.name)))
		b = append(b, f.name...)
	}
	m.last = m.minute
	b = m.appendMinute(b)
	r := arena.Record{TS: m.minute * minute, Era: m.era, Origin: uint32(m.from), Data: b}
	if _, ok := m.log.Append(a, &r, limit, 1); !ok {
		m.size = 0
		return false
	}
	m.size, m.blockEra = uint16(len(b)), m.era
	return true
}

const (
	maxMinute = binary.MaxVarintLen64 + codec.MaxNumbers*(5+2*binary.MaxVarintLen64+2)
	maxHead   = 1 + codec.MaxNumbers*(3+1+64)
)

// sameScale: the open minute fits the newest block.
func (m *Log) sameScale() bool {
	for i := range m.open {
		f := &m.open[i]
		if f.n > 0 && scale(f) != f.exp {
			return false
		}
	}
	return m.blockEra == m.era
}

// appendMinute appends the open minute.
func (m *Log) appendMinute(b []byte) []byte {
	b = binary.AppendVarint(b, m.minute-m.last)
	for i := range m.open {
		f := &m.open[i]
		if b = binary.AppendUvarint(b, uint64(f.n)); f.n == 0 {
			continue
		}
		lo, hi := whole(f.min, f.exp), whole(f.max, f.exp)
		b = binary.AppendVarint(b, lo-f.prev)
		f.prev = lo
		if b = binary.AppendUvarint(b, uint64(hi-lo)); hi == lo {
			continue
		}
		place := (f.sum/float64(f.n) - f.min) / (f.max - f.min) * 65535
		if !(place >= 0 && place <= 65535) { // sums of what float64 just holds
			place = 32767
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(place+0.5))
	}
	return b
}

// scale is the power of ten that the open minute of f is told in: that of the block
// where it serves.
func scale(f *field) int16 {
	need, least := decimals(f.min, f.max)
	if f.exp <= need && f.exp >= need-2 && f.exp >= least {
		return f.exp
	}
	return max(need, least)
}

// decimals is the exponent that two values need, and the least one whose whole
// numbers stay within fifteen digits.
func decimals(lo, hi float64) (need, least int16) {
	most := max(math.Abs(lo), math.Abs(hi))
	if most == 0 {
		return 0, -300
	}
	magnitude := int(math.Floor(math.Log10(most)))
	d := 0
	for limit := min(max(3, 5-magnitude), 300); d < limit; d++ {
		p := math.Pow10(d)
		if isWhole(lo*p) && isWhole(hi*p) {
			break
		}
	}
	return int16(-d), int16(max(magnitude-14, -300))
}

func isWhole(v float64) bool { return math.Abs(v-math.Round(v)) <= 1e-9*math.Abs(v) }

// whole is v in units of a power of ten.
func whole(v float64, exp int16) int64 {
	if exp < 0 {
		return int64(math.Round(v * math.Pow10(int(-exp))))
	}
	return int64(math.Round(v / math.Pow10(int(exp))))
}

// real is what whole was made of.
func real(w int64, exp int16) float64 {
	if exp < 0 {
		return float64(w) / math.Pow10(int(-exp)) // exactly the decimal number that was meant
	}
	return float64(w) * math.Pow10(int(exp))
}

// Check proves the log's invariants (arena.Log.Check).
func (m *Log) Check(a *arena.Arena, seen map[uint32]bool) error { return m.log.Check(a, seen) }

// TakeBack appends a block that another run's log has told (Read), and that Parse finds
// good. What comes next begins a block of its own.
func (m *Log) TakeBack(a *arena.Arena, block *arena.Record, limit uint32) {
	m.log.Append(a, block, limit, 1)
}
