package homeassistant

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"topicd/codec"
	"topicd/node"
)

// origin is what Home Assistant logs as the source of a configuration.
const origin = "topicd"

// config is a device's configuration and the ids of its values. What was told before
// and is gone is told to go, by its platform alone (developers.home-assistant.io,
// "Device discovery payload").
func (s *Service) config(g *group, before []string) (form []byte, values []string) {
	b := str(append(form, `{"dev":{"ids":[`...), g.id)
	b = str(append(b, `],"name":`...), g.name)
	b = str(append(b, `},"o":{"name":`...), origin)
	if s.opt.Version != "" {
		b = str(append(b, `,"sw":`...), s.opt.Version)
	}
	b = append(b, '}')
	if g.client != "" {
		b = str(append(b, `,"avty":[{"t":`...), presence+g.client)
		b = append(b, `,"val_tpl":"{{ 'online' if value_json.state == 'online' else 'offline' }}"}]`...)
	}
	b = append(b, `,"cmps":{`...)
	for _, sn := range g.seen {
		for _, p := range sn.parts {
			id := valueID(sn, p)
			at := len(b)
			b = s.value(str(b, id), sn, p, id, name(sn, p))
			if len(b) > min(maxForm, s.hub.Options().MaxBody/2) || slices.Contains(values, id) {
				b = b[:at]
				s.refused()
				continue
			}
			b = append(b, ',')
			values = append(values, id)
		}
	}
	for _, id := range before {
		if !slices.Contains(values, id) {
			b = append(str(b, id), `:{"p":"sensor"},`...)
		}
	}
	return append(b[:len(b)-1], `}}`...), values
}

// value appends what Home Assistant is told of one value.
func (s *Service) value(b []byte, sn *sight, p *part, id, name string) []byte {
	u := unitOf(p.unit, sn.topic+" "+p.record, p.fell)
	b = str(append(b, `:{"p":"sensor","uniq_id":`...), id)
	if name == "" {
		b = append(b, `,"name":null`...)
	} else {
		b = str(append(b, `,"name":`...), name)
	}
	b = str(append(b, `,"stat_t":`...), sn.topic)
	b = str(append(b, `,"val_tpl":`...), p.template(u.scale))
	if u.class != "" {
		b = str(append(b, `,"dev_cla":`...), u.class)
	}
	if u.name != "" {
		b = str(append(b, `,"unit_of_meas":`...), u.name)
	}
	switch u.state {
	case measurement:
		b = append(b, `,"stat_cla":"measurement"`...)
	case total:
		b = append(b, `,"stat_cla":"total_increasing"`...)
	}
	if sn.stale > 0 {
		b = strconv.AppendInt(append(b, `,"exp_aft":`...), sn.stale, 10)
	}
	return append(b, '}')
}

// template is how Home Assistant finds the value in what MQTT shows of a reading. A
// pack without the record gives nothing, which Home Assistant passes over.
func (p *part) template(scale string) string {
	v := p.value
	if scale != "" {
		if strings.Contains(v, " ") {
			v = "(" + v + ")"
		}
		v += " * " + scale
	}
	if p.each {
		return "{% for r in value_json if r.n == '" + p.record + "' %}{{ " + v + " }}{% endfor %}"
	}
	return "{{ " + v + " }}"
}

// valueID is a value's id, the same whatever device it belongs to.
func valueID(sn *sight, p *part) string {
	key := sn.topic
	if p.record != "" {
		key += "//" + p.record
	}
	return objectID(key)
}

// name is what a value is called behind its device's name.
func name(sn *sight, p *part) string {
	n := words(sn.home.rest...)
	if len(sn.parts) < 2 {
		return n
	}
	of := words(p.record)
	if n == "" || strings.HasSuffix(n, of) {
		n = of
	} else {
		n += " " + of
	}
	return n
}

func str(b []byte, text string) []byte { return codec.AppendString(b, codec.JSON, text) }

const presence = "$sys/presence/"

// presences looks who of those that publish is there.
func (s *Service) presences() {
	there := make(map[string]uint64)
	for _, sn := range s.seen {
		if sn.from == "" {
			continue
		}
		if _, known := there[sn.from]; known {
			continue
		}
		there[sn.from] = s.online(sn.from)
	}
	for from, seq := range there {
		a := s.there[from]
		if a == nil {
			a = &attendance{}
			s.there[from] = a
		}
		if a.seq != seq {
			a.seq, a.since = seq, s.turn.Mono
		}
		if !a.steady && seq > 0 && s.turn.Mono-a.since >= steady {
			a.steady, s.dirty = true, true
		}
	}
	for from := range s.there {
		if _, known := there[from]; !known {
			delete(s.there, from)
		}
	}
}

// attendance is how long somebody has been there without a break.
type attendance struct {
	seq    uint64 // of what was said of it: it is online; 0 = it is not
	since  int64
	steady bool // it was, for long enough
}

// online is the number of the reading that says that the client is there, 0 = none
// does.
func (s *Service) online(client string) (seq uint64) {
	t := s.hub.Find([]byte(presence + client))
	if t == nil {
		return 0
	}
	from, to := s.hub.SpanHeld(t, 1, false, 0, s.turn.Mono)
	s.hub.Read(t, from, to, &s.raw, func(r *node.Reading) bool {
		var said struct{ State string }
		if json.Unmarshal(r.Data, &said) == nil && said.State == "online" {
			seq = r.Seq
		}
		return false
	})
	return seq
}

// availability is the client whose presence tells whether the device is there: all
// of its values come from it, and it was there for a minute. Who comes, says one
// thing and sleeps again would be away most of the time; and a topic that may become
// stale tells by that.
func (s *Service) availability(g *group) string {
	client := g.seen[0].from
	a := s.there[client]
	if a == nil || !a.steady {
		return ""
	}
	for _, sn := range g.seen {
		if sn.from != client || sn.stale > 0 {
			return ""
		}
	}
	return client
}
