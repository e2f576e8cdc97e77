package homeassistant

import (
	"encoding/json"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
)

// rig is a Service on a hub at a time that the test sets, and sensors.
type rig struct {
	*testing.T
	*Service
	hub  *node.Hub
	now  int64
	turn *node.Turn
	as   map[string]*node.Session
}

func newRig(t *testing.T) *rig {
	g := &rig{T: t, now: 1_000_000, as: map[string]*node.Session{}}
	g.hub = node.New(node.Options{MaxBody: 1 << 20, Clock: func() (wall, mono int64) { return 1_700_000_000_000, g.now }})
	g.turn = g.hub.Turn()
	g.Service = New(Options{Hub: g.hub, Version: "1.0"})
	t.Cleanup(func() {
		if err := g.hub.CheckInvariants(); err != nil {
			t.Error(err)
		}
		g.hub.Close()
	})
	return g
}

// wait lets time pass, and the service work every second of it.
func (g *rig) wait(d time.Duration) {
	for end := g.now + d.Milliseconds(); g.now < end; {
		g.now += min(1000, end-g.now)
		g.hub.Tick(g.turn)
		g.once()
	}
}

// by is the session of a client, named or not.
func (g *rig) by(dev string) *node.Session {
	if g.as[dev] == nil {
		s, err := g.hub.Open(node.Deaf{}, "192.168.1.7:1", "", g.turn)
		if err != nil {
			g.Fatal(err)
		}
		if err := s.Hello(dev, "", g.turn); err != nil {
			g.Fatal(err)
		}
		g.as[dev] = s
	}
	return g.as[dev]
}

func (g *rig) pub(dev, topic, js string) {
	g.Helper()
	if _, err := g.by(dev).Publish([]byte(topic), node.Body{Enc: codec.JSON, Data: []byte(js)}, 0, g.turn); err != nil {
		g.Fatal(err)
	}
}

func (g *rig) cbor(dev, topic, js string) {
	g.Helper()
	b, err := codec.Transcode(nil, codec.CBOR, codec.JSON, []byte(js))
	if err != nil {
		g.Fatal(err)
	}
	if _, err := g.by(dev).Publish([]byte(topic), node.Body{Enc: codec.CBOR, Data: b}, 0, g.turn); err != nil {
		g.Fatal(err)
	}
}

func (g *rig) begin() {
	if err := g.open(); err != nil {
		g.Fatal(err)
	}
	g.once()
}

// form is the configuration that stands at an object id: nil if there is none, empty
// if it was removed.
type form struct {
	Dev struct {
		Ids  []string
		Name string
	}
	Avty string `json:"avty_t"`
	Cmps map[string]map[string]any
	text string
}

func (g *rig) form(id string) *form {
	g.Helper()
	topic := "homeassistant/device/" + id + "/config"
	t := g.hub.Find([]byte(topic))
	if t == nil {
		return nil
	}
	f := &form{}
	var raw []byte
	from, to := g.hub.Span(t, 1, false, 0, g.now)
	g.hub.Read(t, from, to, &raw, func(r *node.Reading) bool {
		if r.CBOR {
			return false
		}
		f.text = string(r.Data)
		if err := checkConfig("homeassistant", topic, r.Data); err != nil {
			g.Errorf("Home Assistant would not take %s: %v", r.Data, err)
		}
		if err := json.Unmarshal(r.Data, f); err != nil {
			g.Error(err)
		}
		return false
	})
	return f
}

// last is the newest reading of a topic.
func (g *rig) last(topic string) (text string) {
	var raw []byte
	if t := g.hub.Find([]byte(topic)); t != nil {
		from, to := g.hub.Span(t, 1, false, 0, g.now)
		g.hub.Read(t, from, to, &raw, func(r *node.Reading) bool { text = string(r.Data); return true })
	}
	return text
}

// told is how often a device's configuration was published.
func (g *rig) told(id string) uint64 {
	t := g.hub.Find([]byte("homeassistant/device/" + id + "/config"))
	if t == nil {
		return 0
	}
	return g.hub.Newest(t)
}
