package homeassistant

import (
	"encoding/json"

	"topicd/codec"
	"topicd/node"
)

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
		if sn.from != client || sn.said.Stale > 0 {
			return ""
		}
	}
	return client
}

// states tells of who came and went. It is said below Prefix and not left to the
// presence itself: who may read Home Assistant's topics need not have a right to the
// hub's own.
func (s *Service) states() {
	if s.turn.Mono < s.nextLook {
		return
	}
	s.nextLook = s.turn.Mono + dormant
	for _, d := range s.sent {
		s.state(d)
	}
}

func (s *Service) state(d *device) {
	if d.client == "" {
		return
	}
	now := "offline"
	if s.online(d.client) > 0 {
		now = "online"
	}
	if now == d.state {
		return
	}
	b := node.Body{Enc: codec.JSON, Data: str(nil, now)}
	if _, err := s.sess.Publish([]byte(s.stateOf(d.id)), b, 0, s.turn); err == nil {
		d.state = now
	}
}

func (s *Service) stateOf(id string) string { return s.opt.Prefix + "/device/" + id + "/state" }
