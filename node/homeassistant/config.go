package homeassistant

import (
	"slices"
	"strconv"
	"strings"

	"topicd/codec"
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
		b = str(append(b, `,"avty_t":`...), s.stateOf(g.id))
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
			b = append(str(append(str(b, id), `:{"p":`...), platformOf(id)), `},`...)
		}
	}
	return append(b[:len(b)-1], `}}`...), values
}

// value appends what Home Assistant is told of one value.
func (s *Service) value(b []byte, sn *sight, p *part, id, name string) []byte {
	u := unitOf(p.unit, sn.topic+" "+p.record, p.fell)
	b = str(append(b, `:{"p":`...), platformOf(id))
	b = str(append(b, `,"uniq_id":`...), id)
	if name == "" {
		b = append(b, `,"name":null`...)
	} else {
		b = str(append(b, `,"name":`...), name)
	}
	b = str(append(b, `,"stat_t":`...), sn.topic)
	if p.set != isSensor {
		return s.settable(b, sn, p)
	}
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
	if sn.said.Stale > 0 {
		b = strconv.AppendInt(append(b, `,"exp_aft":`...), sn.said.Stale, 10)
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
	switch id := objectID(key); p.set {
	case isNumber:
		return numberPrefix + id
	case isSwitch:
		return switchPrefix + id
	default:
		return id
	}
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
