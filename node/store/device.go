package store

import (
	"sort"

	"topicd/node/fields"
)

// Seen is one of the last numbers of a device: with it a reading that comes
// once more after a restart is known.
type Seen struct {
	DevSeq uint64
	Topic  string
	Ep     uint64
	Seq    uint64
	Sum    uint32 // of the body
}

type device struct {
	at   Place // of its newest reading
	seen []seen
}

type seen struct {
	devSeq, seq uint64
	topic       *topic
	sum         uint32
}

func (s *Store) loadDevice(r *Reading, t *topic) {
	if len(r.Dev) == 0 || r.DevSeq == 0 {
		return
	}
	d := s.devices[string(r.Dev)]
	if d == nil {
		if len(s.devices) >= s.opt.Devices+s.opt.Devices/4 {
			s.pruneDevices()
		}
		d = &device{}
		s.devices[string(r.Dev)] = d
	}
	for i := range d.seen {
		if d.seen[i].devSeq == r.DevSeq && d.seen[i].topic == t && d.seen[i].seq == r.Seq {
			return // a second copy
		}
	}
	if len(d.seen) == PerDevice {
		copy(d.seen, d.seen[1:])
		d.seen = d.seen[:PerDevice-1]
	}
	d.at = r.Place
	d.seen = append(d.seen, seen{r.DevSeq, r.Seq, t, fields.Sum(0, r.Data)})
}

// pruneDevices keeps the devices that were heard last.
func (s *Store) pruneDevices() {
	at := make([]Place, 0, len(s.devices))
	for _, d := range s.devices {
		at = append(at, d.at)
	}
	sort.Slice(at, func(i, j int) bool { return at[i] > at[j] })
	if len(at) <= s.opt.Devices {
		return
	}
	for name, d := range s.devices {
		if d.at <= at[s.opt.Devices] {
			delete(s.devices, name)
		}
	}
}

// Devices tells the last PerDevice numbers of each device that were found at
// open, in the order of the log, and gives back their memory: call it once.
func (s *Store) Devices(each func(dev string, last []Seen)) {
	s.mu.Lock()
	s.pruneDevices()
	devices := s.devices
	s.devices = nil
	s.mu.Unlock()
	for name, d := range devices {
		list := make([]Seen, 0, len(d.seen))
		for _, x := range d.seen {
			list = append(list, Seen{x.devSeq, x.topic.name, x.topic.ep, x.seq, x.sum})
		}
		each(name, list)
	}
}
