package sense

import (
	"bytes"
	"math"
	"time"
)

const (
	maxFlows = 64                    // interfaces, and disks; containers make many
	minSpan  = 10 * time.Millisecond // below it a rate says nothing
	sector   = 512                   // bytes, of /proc/diskstats whatever the disk has
)

// flow is an interface or a disk: two counters that make rates.
type flow struct {
	name   string // its level
	topics [2]string
	old    [2]uint64
	at     time.Time // of old; zero before the first
	seen   int       // the reading of the file that had it
}

// flows are the lines of one file, by the kernel's names.
type flows struct {
	path    string
	parent  string // topic
	kinds   [2]string
	byName  map[string]*flow
	taken   names
	reading int
	more    bool // this reading had more than maxFlows
}

func newFlows(path, parent, in, out string) *flows {
	return &flows{path: path, parent: parent, kinds: [2]string{in, out}, byName: map[string]*flow{}, taken: names{}}
}

func (f *flows) begin() { f.reading++; f.more = false }

// put takes the counters of a name, in bytes, and makes its rates.
func (f *flows) put(r *reader, name []byte, counts [2]uint64) error {
	w := f.byName[string(name)]
	if w == nil {
		if len(f.byName) >= maxFlows {
			f.more = true
			return nil
		}
		w = &flow{name: f.taken.take(string(name))}
		for i, kind := range f.kinds {
			w.topics[i] = f.parent + "/" + w.name + "/" + kind
		}
		f.byName[string(name)] = w
	}
	w.seen = f.reading
	span := r.at.Sub(w.at)
	if !w.at.IsZero() && span >= 0 && span < minSpan {
		return nil
	}
	for i, n := range counts {
		// A counter that fell was reset, or wrapped on a 32-bit kernel.
		if !w.at.IsZero() && span > 0 && n >= w.old[i] {
			v := math.Round(float64(n-w.old[i]) / span.Seconds())
			if err := r.add(w.topics[i], unitBps, v); err != nil {
				return err
			}
		}
	}
	w.old, w.at = counts, r.at
	return nil
}

// end forgets the names that are no longer there.
func (f *flows) end(r *reader, path string) {
	for name, w := range f.byName {
		if w.seen != f.reading {
			delete(f.byName, name)
			delete(f.taken, w.name)
		}
	}
	if f.more {
		r.skips = append(r.skips, Skip{Path: path, Reason: TooMany})
	}
}

// readNet reads lines such as
//
//	eth0: bytes packets errs drop fifo frame compressed multicast bytes …
func readNet(path string) readFunc {
	f := newFlows(path, "net", "rx", "tx")
	return func(r *reader) error {
		b, err := r.file(path)
		if err != nil {
			return err
		}
		f.begin()
		lines := 0
		for len(b) > 0 {
			var l []byte
			l, b = line(b)
			i := bytes.IndexByte(l, ':')
			if i < 0 {
				continue // the two lines of headings
			}
			name := bytes.TrimSpace(l[:i])
			counts, ok := pick(l[i+1:], 0, 8)
			if !ok || len(name) == 0 {
				continue
			}
			lines++
			if string(name) == "lo" {
				continue
			}
			if err := f.put(r, name, counts); err != nil {
				return err
			}
		}
		f.end(r, "/proc/net/dev")
		if lines == 0 {
			return refusal(Garbage)
		}
		return nil
	}
}

// readDisks reads lines such as
//
//	179 0 mmcblk0 reads merged sectors ms writes merged sectors ms …
//
// and takes those that the last listing of /sys/block had: partitions are not there.
func readDisks(path string, b *Board) readFunc {
	f := newFlows(path, "disk", "read", "write")
	f.taken["root"] = true // disk/root is the space of "/"
	return func(r *reader) error {
		data, err := r.file(path)
		if err != nil {
			return err
		}
		disks := b.disks.Load()
		if disks == nil {
			return nil // not listed yet
		}
		f.begin()
		for len(data) > 0 {
			var l []byte
			l, data = line(data)
			_, l = field(l)
			_, l = field(l)
			name, l := field(l)
			if !(*disks)[string(name)] {
				continue
			}
			counts, ok := pick(l, 2, 6)
			if !ok {
				return refusal(Garbage)
			}
			counts[0] *= sector
			counts[1] *= sector
			if err := f.put(r, name, counts); err != nil {
				return err
			}
		}
		f.end(r, "/proc/diskstats")
		return nil
	}
}

// pick returns the i-th and the j-th number of a line.
func pick(l []byte, i, j int) (counts [2]uint64, ok bool) {
	for k := 0; k <= j; k++ {
		var word []byte
		word, l = field(l)
		if k != i && k != j {
			continue
		}
		n, ok := parseUint(word)
		if !ok {
			return counts, false
		}
		if k == i {
			counts[0] = n
		} else {
			counts[1] = n
		}
	}
	return counts, true
}
