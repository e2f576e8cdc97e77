package minutes

import (
	"encoding/binary"
	"errors"

	"topicd/codec"
	"topicd/node/arena"
)

// Point is one field of one minute.
type Point struct {
	Name []byte
	TS   int64 // when the minute began, milliseconds since 1970
	Era  uint16
	N    int64 // readings

	Min, Mean, Max float64
}

// Read appends whole blocks to dst, records as arena.Parse reads them, from the first
// on that has the number from or a later one, about quota bytes. next is where to go
// on; ended: those were the last, and behind them is only the open minute.
func (m *Log) Read(a *arena.Arena, from uint64, dst []byte, quota int) (blocks []byte, next uint64, ended bool) {
	from = max(from, m.log.First())
	if from < m.log.Next() {
		dst, from = m.log.Read(a, from, dst, quota)
	}
	return dst, from, from >= m.log.Next()
}

// First is the number of the oldest reading that is counted in some minute, next when
// there is none. next is the number behind the newest.
func (m *Log) First(a *arena.Arena, next uint64) uint64 {
	switch {
	case m.log.Count() > 0:
		low := m.log.Origin(a, m.log.First())
		return next - uint64(uint32(next)-low)
	case m.readings > 0:
		return m.from
	}
	return next
}

// Open appends the points of the minute that is open.
func (m *Log) Open(points []Point) []Point {
	for i := range m.open {
		if f := &m.open[i]; f.n > 0 {
			points = append(points, Point{[]byte(f.name), m.minute * minute, m.era, int64(f.n), f.min, f.sum / float64(f.n), f.max})
		}
	}
	return points
}

var errDamaged = errors.New("that is no block of minutes")

// Parse calls yield with the points of a block, in order, while it returns true. The
// point is good until the next.
func Parse(r *arena.Record, yield func(*Point) bool) error {
	d := reader{b: r.Data}
	var exps [codec.MaxNumbers]int16
	var names [codec.MaxNumbers][]byte
	n := int(d.byte())
	if n == 0 || n > len(exps) {
		return errDamaged
	}
	for i := range n {
		exp := d.varint()
		if exp < -400 || exp > 400 {
			return errDamaged
		}
		exps[i] = int16(exp)
		names[i] = d.take(int(d.byte()))
	}
	var prev [codec.MaxNumbers]int64
	at := r.TS / minute
	for len(d.b) > 0 && !d.bad {
		at += d.varint()
		for i := range n {
			p := Point{Name: names[i], TS: at * minute, Era: r.Era, N: int64(d.uvarint())}
			if p.N == 0 {
				continue
			}
			prev[i] += d.varint()
			size := d.uvarint()
			p.Min, p.Max = real(prev[i], exps[i]), real(prev[i]+int64(size), exps[i])
			if p.Mean = p.Min; size > 0 {
				if place := d.take(2); place != nil {
					p.Mean += (p.Max - p.Min) * float64(binary.LittleEndian.Uint16(place)) / 65535
				}
			}
			if d.bad || at < 0 || at > maxMinutes || p.N < 0 || size > 1<<62 {
				return errDamaged
			}
			if !yield(&p) {
				return nil
			}
		}
	}
	if d.bad {
		return errDamaged
	}
	return nil
}

const maxMinutes = 1 << 44 / minute // what the ts of a record can say

// reader takes a block apart; bad: there was less than it says.
type reader struct {
	b   []byte
	bad bool
}

func (d *reader) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *reader) take(n int) []byte {
	if n > len(d.b) {
		d.bad, d.b = true, nil
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *reader) varint() int64 {
	v, n := binary.Varint(d.b)
	d.skip(n)
	return v
}

func (d *reader) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	d.skip(n)
	return v
}

func (d *reader) skip(n int) {
	if n <= 0 {
		d.bad, n = true, len(d.b)
	}
	d.b = d.b[n:]
}
