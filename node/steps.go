package node

import (
	"strconv"

	"topicd/codec"
	"topicd/node/arena"
	"topicd/node/minutes"
)

// Bucket is what one number of a topic's readings was in one step of time.
type Bucket struct {
	Field []byte // what the readings call it, empty = they have but one; good until the next Bucket
	TS    int64  // when the step began, milliseconds since 1970
	N     int64  // readings in it

	Min, Mean, Max float64
}

// AppendJSON appends [ts, min, mean, max, count], and the field behind it where it has
// a name.
func (b *Bucket) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, '['), b.TS, 10)
	dst = strconv.AppendFloat(append(dst, ','), b.Min, 'g', -1, 64)
	dst = strconv.AppendFloat(append(dst, ','), b.Mean, 'g', 9, 64)
	dst = strconv.AppendFloat(append(dst, ','), b.Max, 'g', -1, 64)
	dst = strconv.AppendInt(append(dst, ','), b.N, 10)
	if len(b.Field) > 0 {
		dst = codec.AppendString(append(dst, ','), codec.JSON, string(b.Field))
	}
	return append(dst, ']')
}

// AppendRow appends the bucket as JSON as it stands in the list that a get answers: as a
// reading whose data it is, so that whoever reads readings reads it too.
func (b *Bucket) AppendRow(dst []byte, topic string) []byte {
	dst = codec.AppendString(append(dst, `{"topic":`...), codec.JSON, topic)
	dst = strconv.AppendInt(append(dst, `,"ts":`...), b.TS, 10)
	return append(b.AppendJSON(append(dst, `,"data":`...)), '}')
}

// Steps goes through a topic's history in steps of time: what is on disk only, then its
// minutes, then its readings. It holds no more than one bucket of each field.
type Steps struct {
	h     *Hub
	t     *Topic
	step  int64
	since int64 // by the hub's clock

	phase    stepsPhase
	from, to uint64 // readings to go through, or blocks of minutes
	first    uint64 // the reading that minutes begin with, or where there are none readings in memory
	raw      []byte
	work     int // readings that may be read yet before others get their turn

	yield  func(*Bucket) bool
	full   bool // yield has had enough
	label  int64
	fields []sum // of the bucket that is being filled
	n      int   // of fields, the rest are scratch
	one    Bucket
}

type stepsPhase uint8

const (
	stepsBegin stepsPhase = iota
	stepsDisk
	stepsMinutes
	stepsReadings
	stepsEnd
)

// sum is one field of a bucket.
type sum struct {
	name          []byte
	min, max, sum float64
	n             int64
}

// Steps begins to go through what came since that time of the hub's clock, in steps of
// so many milliseconds. A minute of which no readings are stored is one step at least,
// and a step that is longer is of whole minutes.
func (h *Hub) Steps(t *Topic, step, since int64) *Steps {
	if step = max(step, 1); step > minute {
		step = (step + minute - 1) / minute * minute
	}
	return &Steps{h: h, t: t, step: step, since: since}
}

// Step is the step that it goes in, in milliseconds.
func (s *Steps) Step() int64 { return s.step }

// StepsSince is the since of Steps that a request asks for: its option since is an age,
// last a number of steps, and neither means all that there is.
func StepsSince(o *codec.Opts, now int64) (int64, *codec.Error) {
	switch {
	case o.Step < 1 || o.Step > MaxStep:
		return 0, codec.Errorf(codec.CodeMalformed, "step is 1 to %d milliseconds", int64(MaxStep))
	case o.Has&codec.OptSince != 0 && o.Since < 0:
		return now - min(-o.Since, maxSteps)*1000, nil
	case o.Has&codec.OptSince != 0 && o.Since > 0:
		return 0, codec.Errorf(codec.CodeMalformed, "with step, since is an age: seconds below zero, or 0 for all")
	case o.Has&codec.OptLast != 0 && o.Last > 0:
		return now - min(o.Last, maxSteps)*o.Step, nil
	}
	return Always, nil
}

// maxSteps is more than anybody stores, and times MaxStep is a time still.
const maxSteps = 1 << 28

// Always is the since of Steps that leaves nothing out.
const Always = -1 << 62

// MaxStep is the longest step in milliseconds: 366 days.
const MaxStep = 366 * 86_400_000

const (
	minute = 60_000
	// stepsWork is how many readings one Next looks at: some milliseconds' worth.
	stepsWork = 4 << 10
	maxFields = 2 * codec.MaxNumbers // of a bucket: readings of a topic may change their shape
)

// Next hands on what comes next, until yield returns false or it has worked for some
// milliseconds; what it has begun with it hands on all the same. true: that was all. Of
// a durable topic it may wait for the disk. Buckets come as their readings came: where
// the clock was set back, their time goes back too.
func (s *Steps) Next(yield func(*Bucket) bool) (done bool) {
	s.yield, s.full, s.work = yield, false, stepsWork
	for !s.full && s.work > 0 && s.phase != stepsEnd {
		switch s.phase {
		case stepsBegin:
			s.begin()
		case stepsMinutes:
			s.minutes()
		default:
			s.readings()
		}
	}
	if s.phase == stepsEnd && !s.full {
		s.flush()
		return true
	}
	return false
}

// begin finds what there is of the topic.
func (s *Steps) begin() {
	h, t := s.h, s.t
	t.mu.Lock()
	first := t.log.First()
	if m := h.past(t); m != nil && s.step >= minute {
		first = m.First(h.arena, first)
	}
	s.first = first
	var tape Tape
	if t.firstLocked() < first {
		tape = t.rare.tape
	}
	t.mu.Unlock()
	s.phase = stepsMinutes
	if tape == nil {
		return
	}
	s.phase, s.to = stepsDisk, first
	if s.since > Always {
		s.from = h.seek(tape.Since(h.calendar.Earliest(s.since)))
	}
}

// readings goes through readings from s.from to s.to.
func (s *Steps) readings() {
	end := s.h.Read(s.t, s.from, s.to, &s.raw, func(r *Reading) bool {
		var ns [codec.MaxNumbers]codec.Number
		for _, f := range ns[:codec.Numbers(r.Enc(), r.Data, &ns)] {
			s.add(f.Name, r.TS, f.Value, f.Value, f.Value, 1)
		}
		s.work--
		s.from = r.Seq + 1
		return !s.full && s.work > 0
	})
	if s.full || s.work <= 0 {
		return
	}
	s.from = end
	if s.phase++; s.phase == stepsMinutes {
		s.from = 0
	}
}

// minutes goes through the next block of minutes, and behind the last one through the
// minute that is open. No reading leaves the topic's log between that and s.from.
func (s *Steps) minutes() {
	h, t := s.h, s.t
	var open [codec.MaxNumbers]minutes.Point
	points, ended := open[:0], true
	s.raw = s.raw[:0]
	t.mu.Lock()
	m := h.past(t)
	if t.rare != nil && t.rare.tape != nil && s.step < minute {
		m = nil // the disk has had the readings themselves
	}
	next := s.from
	if m != nil {
		if s.raw, next, ended = m.Read(h.arena, s.from, s.raw, 1); ended {
			points = m.Open(points)
		}
	}
	if ended {
		s.phase, s.to = stepsReadings, t.log.Next()
		if next = s.first; m != nil {
			next = t.log.First()
		}
		if s.since > Always {
			next = max(next, t.log.After(h.arena, &h.calendar, s.since))
		}
	}
	t.mu.Unlock()
	s.from = next
	for b := s.raw; len(b) > 0; {
		var r arena.Record
		r, b = arena.Parse(b)
		_ = minutes.Parse(&r, s.point) // we wrote it
		s.work -= 64
	}
	for i := range points {
		s.point(&points[i])
	}
}

func (s *Steps) point(p *minutes.Point) bool {
	if s.since == Always || s.h.calendar.Mono(p.TS, p.Era)+minute > s.since {
		s.add(p.Name, p.TS, p.Min, p.Mean, p.Max, p.N)
	}
	return true
}

// add counts n readings in the bucket that they belong to.
func (s *Steps) add(name []byte, ts int64, least, mean, most float64, n int64) {
	if at := ts / s.step * s.step; at != s.label {
		s.flush()
		s.label = at
	}
	var f *sum
	for i := range s.fields[:s.n] {
		if string(s.fields[i].name) == string(name) {
			f = &s.fields[i]
		}
	}
	if f == nil {
		if s.n == maxFields {
			s.flush()
		}
		if s.n == len(s.fields) {
			s.fields = append(s.fields, sum{})
		}
		f = &s.fields[s.n]
		*f = sum{name: append(f.name[:0], name...), min: least, max: most}
		s.n++
	}
	f.min, f.max = min(f.min, least), max(f.max, most)
	f.sum += mean * float64(n)
	f.n += n
}

// flush hands the bucket on.
func (s *Steps) flush() {
	for i := range s.fields[:s.n] {
		f := &s.fields[i]
		s.one = Bucket{f.name, s.label, f.n, f.min, f.sum / float64(f.n), f.max}
		if b := &s.one; !(b.Mean >= b.Min && b.Mean <= b.Max) { // rounded, or more than a float64 holds
			b.Mean = max(b.Min, min(b.Max, b.Mean))
			if b.Mean != b.Mean {
				b.Mean = b.Min/2 + b.Max/2
			}
		}
		if !s.yield(&s.one) {
			s.full = true
		}
	}
	s.n = 0
}
