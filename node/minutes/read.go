package minutes

import (
	"encoding/binary"
	"errors"

	"topicd/codec"
	"topicd/node/arena"
	"topicd/node/fields"
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
	d := fields.Reader{B: r.Data}
	var exps [codec.MaxNumbers]int16
	var names [codec.MaxNumbers][]byte
	n := length(&d)
	if n == 0 || n > len(exps) {
		return errDamaged
	}
	for i := range n {
		exp := d.Int()
		if exp < -400 || exp > 400 {
			return errDamaged
		}
		exps[i] = int16(exp)
		names[i] = d.Take(length(&d))
	}
	var prev [codec.MaxNumbers]int64
	at := r.TS / minute
	for len(d.B) > 0 && !d.Bad {
		at += d.Int()
		for i := range n {
			p := Point{Name: names[i], TS: at * minute, Era: r.Era, N: int64(d.Uint())}
			if p.N == 0 {
				continue
			}
			prev[i] += d.Int()
			size := d.Uint()
			p.Min, p.Max = real(prev[i], exps[i]), real(prev[i]+int64(size), exps[i])
			if p.Mean = p.Min; size > 0 {
				if place := d.Take(2); place != nil {
					p.Mean += (p.Max - p.Min) * float64(binary.LittleEndian.Uint16(place)) / 65535
				}
			}
			if d.Bad || at < 0 || at > maxMinutes || p.N < 0 || size > 1<<62 {
				return errDamaged
			}
			if !yield(&p) {
				return nil
			}
		}
	}
	if d.Bad {
		return errDamaged
	}
	return nil
}

const maxMinutes = 1 << 44 / minute // what the ts of a record can say

// length reads a byte.
func length(d *fields.Reader) int {
	if b := d.Take(1); b != nil {
		return int(b[0])
	}
	return 0
}
