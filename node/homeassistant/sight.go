package homeassistant

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"topicd/codec"
	"topicd/node"
)

// sight is what was last seen of a sensor's topic.
type sight struct {
	topic string
	home  home
	from  string // who published it last
	ep    uint64
	seq   uint64
	stamp uint64 // of the round
	said  node.Declaration
	parts []*part
}

// part is one value of a topic: the reading itself, or a record of its pack.
type part struct {
	record string // the record's name, "" where there is only one
	unit   string // SenML's
	value  string // what of value_json is the value
	each   bool   // value is of r, the record of that name in the list
	last   float64
	fell   bool // the value does not only grow

	set      kind // of a set-point
	min, max float64
}

// kind is what Home Assistant shows of a topic.
type kind uint8

const (
	isSensor kind = iota
	isNumber      // to be set, as the topic is writable
	isSwitch
)

// record is a SenML record (RFC 8428 section 4.3) as far as it is looked at here.
type record struct {
	BN *string  `json:"bn"`
	BU *string  `json:"bu"`
	BV *float64 `json:"bv"`
	N  *string  `json:"n"`
	U  *string  `json:"u"`
	V  *float64 `json:"v"`
}

// round looks at every topic.
func (s *Service) round() {
	s.stamp++
	declared := make(map[string]node.Declaration)
	for _, d := range s.hub.Statics() {
		declared[d.Topic] = d
	}
	below := s.opt.Prefix + "/"
	s.left.Store(0)
	for _, t := range s.hub.Listed("") {
		name := t.Name()
		if strings.HasPrefix(name, below) || s.others.topics[name] > 0 {
			continue
		}
		d := declared[name]
		if old := s.seen[name]; old != nil && old.said != d { // it is looked at anew
			delete(s.seen, name)
			s.bytes -= old.size()
			s.dirty = true
		}
		sn := s.look(t, s.seen[name], d)
		switch {
		case sn == nil:
			continue
		case s.seen[name] == nil && (len(s.seen) >= maxTopics || s.bytes+sn.size() > maxBytes):
			s.refused()
			continue
		case s.seen[name] == nil:
			s.seen[name] = sn
			s.bytes += sn.size()
			s.dirty = true
		}
		sn.stamp = s.stamp
	}
	for name, sn := range s.seen {
		if sn.stamp != s.stamp {
			delete(s.seen, name)
			s.bytes -= sn.size()
			s.dirty = true
		}
	}
	s.told.Store(int64(len(s.seen)))
	s.size.Store(int64(s.bytes))
	s.presences()
	s.dirty = s.dirty || s.failed
}

// refused counts a sensor that there is no room for.
func (s *Service) refused() {
	s.left.Add(1)
	if !s.warned {
		s.warned = true
		s.opt.Log.Warn("Home Assistant is not told of all sensors: there are too many", "told", len(s.seen))
	}
}

// look looks at the newest reading of a topic; nil: it is no sensor. One that was a
// sensor stays one: a word between two values, such as n/a, does not end it.
func (s *Service) look(t *node.Topic, sn *sight, d node.Declaration) *sight {
	i := s.hub.Info(t, s.turn.Mono)
	switch {
	case i.Seq == 0: // it was made anew, for who is subscribed to it
		return nil
	case sn != nil && sn.seq == i.Seq && sn.ep == i.Epoch, i.Readings == 0, (i.Bytes-i.Past)/int64(i.Readings) > maxBody:
		return sn
	}
	from, to := s.hub.SpanHeld(t, 1, false, 0, s.turn.Mono)
	s.hub.Read(t, from, to, &s.raw, func(r *node.Reading) bool {
		var parts []*part
		if d.Writable {
			parts = s.setPoint(r, d)
		} else if _, unit, ok := codec.Reading(r.Enc(), r.Data); !ok || unit == "" && !isPack(r) || len(r.Data) > maxBody {
			return false
		} else {
			parts = s.partsOf(r)
		}
		if sn == nil && len(parts) == 0 {
			return false
		}
		if sn == nil {
			sn = &sight{topic: t.Name(), said: d, home: s.homeOf(t.Name(), string(r.From))}
		}
		if sn.ep, sn.seq = r.Ep, r.Seq; sn.from != string(r.From) {
			sn.from = string(r.From)
		}
		for _, p := range parts {
			s.take(sn, p)
		}
		return false
	})
	return sn
}

// isPack tells whether a reading may be a pack, by its first byte.
func isPack(r *node.Reading) bool {
	if r.CBOR {
		return r.Data[0]>>5 == 4 || r.Data[0]>>5 == 6 // an array, or a tag
	}
	return bytes.TrimLeft(r.Data, " \t\r\n")[0] == '['
}

// take takes over a value.
func (s *Service) take(sn *sight, p *part) {
	for _, old := range sn.parts {
		if old.record != p.record {
			continue
		}
		if p.unit == old.unit { // a meter that begins again does so near 0
			p.fell = old.fell || p.last < old.last && p.last > old.last/10
		}
		if old.set != p.set || old.min != p.min || old.max != p.max || old.unit != p.unit || old.value != p.value || old.each != p.each || p.fell != old.fell && units[p.unit].state == total {
			s.dirty = true
		}
		if s.seen[sn.topic] == sn {
			s.bytes += p.size() - old.size()
		}
		*old = *p
		return
	}
	if len(sn.parts) >= maxParts || s.bytes+p.size() > maxBytes {
		s.refused()
		return
	}
	sn.parts = append(sn.parts, p)
	if s.seen[sn.topic] == sn {
		s.bytes += p.size()
		s.dirty = true
	}
}

// size is about what it takes of memory.
func (sn *sight) size() int {
	n := 256 + 2*len(sn.topic)
	for _, p := range sn.parts {
		n += p.size()
	}
	return n
}

func (p *part) size() int { return 256 + 2*len(p.record) + len(p.value) + len(p.unit) }

// partsOf are the values with a unit in a reading, as MQTT's subscribers see it: in
// JSON.
func (s *Service) partsOf(r *node.Reading) []*part {
	text := r.Data
	if r.CBOR {
		var err error
		if s.text, err = codec.Transcode(s.text[:0], codec.JSON, codec.CBOR, r.Data); err != nil {
			return nil
		}
		text = s.text
	}
	var one record
	if json.Unmarshal(text, &one) == nil {
		parts := one.alone()
		if s.opt.Values && len(parts) > 0 {
			parts[0].value = "(" + parts[0].value + " if value_json is mapping else value_json)"
		}
		return parts
	}
	var pack []record
	if json.Unmarshal(text, &pack) != nil || len(pack) > maxParts {
		return nil
	}
	return partsOfPack(pack)
}

// alone is the value of a record that is no pack.
func (r *record) alone() []*part {
	p := &part{}
	switch {
	case r.U != nil:
		p.unit = *r.U
	case r.BU != nil:
		p.unit = *r.BU
	}
	p.last, p.value = r.sum(r.BV, "value_json.v", "value_json.bv")
	if p.unit == "" || p.value == "" {
		return nil
	}
	return []*part{p}
}

// sum is a record's value and how Home Assistant finds it, "" = it has none.
func (r *record) sum(base *float64, own, basic string) (float64, string) {
	switch {
	case r.V != nil && base != nil && *base != 0:
		return *r.V + *base, own + " + " + basic
	case r.V != nil:
		return *r.V, own
	case base != nil && (r.N != nil || r.U != nil):
		return *base, basic
	}
	return 0, ""
}

// partsOfPack are the values of a pack: each is found by its name, which stays the
// same when the pack has other records next time, or where it has none by its place.
func partsOfPack(pack []record) (parts []*part) {
	var base record
	at := ""
	names := make(map[string]int)
	for i := range pack {
		if pack[i].N != nil {
			names[*pack[i].N]++
		}
	}
	for i := range pack {
		r := &pack[i]
		place := "value_json[" + strconv.Itoa(i) + "]"
		if r.BU != nil {
			base.BU = r.BU
		}
		if r.BV != nil {
			base.BV, at = r.BV, place
		}
		p := &part{}
		switch {
		case r.U != nil:
			p.unit = *r.U
		case base.BU != nil:
			p.unit = *base.BU
		}
		if p.each = r.N != nil && names[*r.N] == 1 && plain(*r.N); p.each {
			p.record, place = *r.N, "r"
		} else {
			p.record = strconv.Itoa(i)
		}
		p.last, p.value = r.sum(base.BV, place+".v", at+".bv")
		if p.unit != "" && p.value != "" {
			parts = append(parts, p)
		}
	}
	return parts
}

// plain: the name is of SenML's letters (RFC 8428 section 4.5.1), so that it can stand
// in a template as it is.
func plain(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-:./_", c) >= 0:
		default:
			return false
		}
	}
	return name != ""
}
