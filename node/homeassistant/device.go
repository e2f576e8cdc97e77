package homeassistant

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"topicd/codec"
	"topicd/node"
)

// device is what was told of a device.
type device struct {
	id     string
	sum    uint64   // of its configuration
	values []string // the ids of its values
	client string   // whose presence is its availability, "" = none's
	state  string   // what was said of that
}

// group is a device as it is to be told.
type group struct {
	id, name string
	client   string // whose presence is its availability, "" = none's
	seen     []*sight
}

// home is the device that a topic belongs to, and what of its name is left for its
// values.
type home struct {
	id, name string
	rest     []string
}

// homeOf finds a topic's device. One that publishes under its own name, or said hello
// as a device, has all that it publishes; else a topic belongs to what its name begins
// with.
func (s *Service) homeOf(topic, from string) home {
	levels := strings.Split(topic, "/")
	n := len(levels) - 1
	if from != "" {
		if i := slices.Index(levels[:n], from); i >= 0 {
			return home{objectID(from), words(from), levels[i+1:]}
		}
		if s.hub.IsDevice(from) {
			return home{objectID(from), words(from), levels}
		}
	}
	if n > 0 {
		return home{objectID(strings.Join(levels[:n], "/")), words(levels[:n]...), levels[n:]}
	}
	return home{objectID(topic), words(topic), nil}
}

// groups are all devices, by object id.
func (s *Service) groups() map[string]*group {
	all := make(map[string]*group)
	for _, sn := range s.seen {
		g := all[sn.home.id]
		if g == nil {
			g = &group{id: sn.home.id, name: sn.home.name}
			all[g.id] = g
		}
		g.seen = append(g.seen, sn)
	}
	for _, g := range all {
		slices.SortFunc(g.seen, func(a, b *sight) int { return strings.Compare(a.topic, b.topic) })
		g.client = s.availability(g)
	}
	return all
}

// tell publishes every configuration that has changed.
func (s *Service) tell() {
	s.failed = false
	all := s.groups()
	for id, g := range all {
		d := s.sent[id]
		if d == nil {
			d = &device{id: id}
		}
		if d.client != g.client {
			d.client, d.state = g.client, ""
		}
		s.state(d)
		form, values := s.config(g, d.values)
		h := fnv.New64a()
		_, _ = h.Write(form)
		if d.sum == h.Sum64() {
			continue
		}
		if !s.publish(id, node.Body{Enc: codec.JSON, Data: form}) {
			continue
		}
		d.sum, d.values = h.Sum64(), values
		s.sent[id] = d
		delete(s.old, id)
		delete(s.going, id)
	}
	for id := range s.sent {
		if all[id] == nil {
			delete(s.sent, id)
			s.remove(id)
		}
	}
}

// remove tells that a device is gone: an empty retained payload.
func (s *Service) remove(id string) {
	if s.publish(id, node.Body{Enc: codec.CBOR, Data: emptyText, Passing: true}) {
		_ = s.sess.Unkeep([]byte(s.topicOf(id)))
		s.going[id] = s.turn.Mono + lull
	}
}

// emptyText is "" in CBOR, which MQTT shows as nothing at all.
var emptyText = []byte{0x60}

// leave removes what has been told to be gone, when who is there has read it, and
// configurations of an earlier run whose sensors did not come back.
func (s *Service) leave() {
	for id, due := range s.going {
		if s.turn.Mono >= due {
			delete(s.going, id)
			_ = s.hub.Delete([]byte(s.topicOf(id)), s.sess, s.turn)
			_ = s.hub.Delete([]byte(s.stateOf(id)), s.sess, s.turn)
		}
	}
	for id, heard := range s.old {
		if s.turn.Mono-heard >= s.hub.Options().Keep.Milliseconds() {
			delete(s.old, id)
			if s.sent[id] == nil {
				s.remove(id)
			}
		}
	}
}

func (s *Service) publish(id string, b node.Body) bool {
	_, err := s.sess.Publish([]byte(s.topicOf(id)), b, 0, s.turn)
	if err != nil {
		s.opt.Log.Debug("a configuration of Home Assistant is not published", "device", id, "err", err)
		s.failed = true // again at the next round
	}
	return err == nil
}

func (s *Service) topicOf(id string) string { return s.opt.Prefix + "/device/" + id + "/config" }

// ours is the object id in a name below Prefix, if it may be one of ours.
func (s *Service) ours(what string) (id string, ok bool) {
	id, ok = strings.CutPrefix(what, "device/")
	if !ok || !strings.HasPrefix(id, idPrefix) {
		return "", false
	}
	return strings.CutSuffix(id, "/config")
}

const idPrefix = "topicd_"

// objectID is a name as Home Assistant takes it: of [a-zA-Z0-9_-] (TOPIC_MATCHER in
// its discovery.py). What another name could have become has its hash behind it.
func objectID(key string) string {
	same := len(key) <= 64
	id := strings.Map(func(r rune) rune {
		switch {
		case r == '/':
			return '_'
		case r == '-', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		same = false
		return '_'
	}, key)
	if !same {
		h := fnv.New32a()
		_, _ = h.Write([]byte(key))
		id = id[:min(len(id), 64)] + "_" + strconv.FormatUint(uint64(h.Sum32()), 16)
	}
	return idPrefix + id
}

// words is a name as a person would write it: greenhouse/1 is Greenhouse 1.
func words(levels ...string) string {
	var out []string
	for _, level := range levels {
		for _, w := range strings.FieldsFunc(level, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }) {
			out = append(out, word(w))
		}
	}
	name := strings.Join(out, " ")
	if len(name) > 120 {
		name = strings.ToValidUTF8(name[:120], "")
	}
	return name
}

// word is one word, whole and with a capital.
func word(w string) string {
	lower := strings.ToLower(w)
	if long := longer[lower]; long != "" {
		return long
	}
	if slices.Contains(capitals, lower) {
		return strings.ToUpper(w)
	}
	r, n := utf8.DecodeRuneInString(w)
	return string(unicode.ToUpper(r)) + w[n:]
}

var capitals = []string{"co", "co2", "voc", "tvoc", "rssi", "cpu", "gpu", "usb", "led", "pm1", "pm10", "uv", "ph", "ip", "rx", "tx", "snr", "pv", "ac", "dc"}

var longer = map[string]string{
	"temp": "Temperature", "hum": "Humidity", "humid": "Humidity", "press": "Pressure", "batt": "Battery", "bat": "Battery",
	"volt": "Voltage", "curr": "Current", "amp": "Current", "lux": "Illuminance", "illum": "Illuminance", "dist": "Distance",
	"freq": "Frequency", "pm25": "PM2.5", "ph": "pH",
}
