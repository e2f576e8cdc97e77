package homeassistant

import (
	"strconv"
	"strings"

	"topicd/codec"
	"topicd/node"
)

// setPoint is the value of a topic that is declared writable: a switch where its
// newest reading is true or false, a number where it is one, or a record with one.
func (s *Service) setPoint(r *node.Reading, d node.Declaration) []*part {
	p := &part{min: d.Min, max: d.Max}
	text := string(r.Data)
	v, unit, ok := codec.Reading(r.Enc(), r.Data)
	switch {
	case isPack(r):
		return nil
	case ok:
		p.set, p.last, p.unit = isNumber, v, unit
	case !r.CBOR && (strings.TrimSpace(text) == "true" || strings.TrimSpace(text) == "false"), r.CBOR && (text == "\xf4" || text == "\xf5"):
		p.set = isSwitch
	default:
		return nil
	}
	return []*part{p}
}

// Set-points have ids that no sensor has, by which their platform is known when they go.
const (
	numberPrefix = "number_"
	switchPrefix = "switch_"
)

func platformOf(id string) string {
	switch {
	case strings.HasPrefix(id, numberPrefix):
		return "number"
	case strings.HasPrefix(id, switchPrefix):
		return "switch"
	}
	return "sensor"
}

// settable appends what Home Assistant is told of a set-point. What it sets is
// published with RETAIN: the next to come gets it.
func (s *Service) settable(b []byte, sn *sight, p *part) []byte {
	b = str(append(b, `,"cmd_t":`...), sn.topic)
	b = append(b, `,"ret":true`...)
	if p.set == isSwitch {
		return append(b, `,"val_tpl":"{{ 'true' if value_json else 'false' }}","pl_on":"true","pl_off":"false"}`...)
	}
	b = append(b, `,"val_tpl":"{{ value_json.v if value_json is mapping else value_json }}"`...)
	least, most := p.min, p.max
	if least >= most {
		least, most = -1e6, 1e6
		b = append(b, `,"mode":"box"`...)
	}
	b = strconv.AppendFloat(append(b, `,"min":`...), least, 'f', -1, 64)
	b = strconv.AppendFloat(append(b, `,"max":`...), most, 'f', -1, 64)
	b = append(b, `,"step":0.1`...)
	if u := unitOf(p.unit, sn.topic, true); p.unit != "" && u.name != "" && u.scale == "" {
		b = str(append(b, `,"unit_of_meas":`...), u.name)
	}
	return append(b, '}')
}
