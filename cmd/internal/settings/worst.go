package settings

import (
	"slices"

	"topicd/node"
	"topicd/node/dialect/mqtt"
	"topicd/node/homeassistant"
	"topicd/node/store"
	"topicd/node/uplink"
)

// Worst is the most memory that the process takes when all limits are reached
// at once, in bytes.
type Worst struct {
	node.Worst
	Connections   int64 // buffers of the transport
	MQTT          int64 // what its clients have beside sessions
	Store         int64 // of durable topics, and their pages on the way to readers
	HomeAssistant int64 // what Home Assistant is told
	Program       int64 // the runtime and everything else
}

// programBase is the RSS of an idle hub, most of it file-backed code, and a few
// MiB of what the runtime needs to breathe.
const programBase = 16 << 20

// Worst is what it is with these settings.
func (s *Settings) Worst() Worst {
	o := s.Hub("")
	w := Worst{Worst: o.Worst(), Store: s.storeWorst(o.Topics) + node.MaxPageBytes, Connections: s.Link().Worst(s.Sessions), Program: programBase}
	w.MQTT = mqtt.Worst(s.Sessions, o.Subs, int(s.MaxFrame))
	if s.HomeAssistant != "off" {
		w.HomeAssistant = homeassistant.Worst
	}
	return w
}

// Total is all of it.
func (w Worst) Total() int64 {
	return w.Worst.Total() + w.Connections + w.MQTT + w.Store + w.HomeAssistant + w.Program
}

// Heap is the part of it that the collector sees.
func (w Worst) Heap() int64 { return w.Total() - w.Arena }

// MemoryMax is what the service may take at most, in MiB: the worst case and a
// fifth, for what the kernel counts beside it.
func (s *Settings) MemoryMax() int64 {
	const step = 4
	mib := s.Worst().Total() >> 20
	return (mib*6/5/step + 1) * step
}

// WantsDurable tells whether some topic is durable from the start.
func (s *Settings) WantsDurable() bool {
	for _, t := range s.Static {
		if t.Durable {
			return true
		}
	}
	return len(s.Durables()) > 0
}

// Durables are the patterns of durable topics: what goes up is durable.
func (s *Settings) Durables() []string {
	if len(s.Uplink.URLs) == 0 {
		return s.Durable
	}
	up := s.Uplink.Up
	if len(up) == 0 {
		up = []string{"#"}
	}
	return append(slices.Clone(s.Durable), up...)
}

// storeWorst is the most memory that the store takes with so many topics. Without a
// durable topic in the settings it is reckoned with a few that clients make.
func (s *Settings) storeWorst(topics int) int64 {
	if !s.WantsDurable() {
		topics = min(topics, 100)
	}
	o := s.Store
	o.Topics = topics
	n := store.Worst(o, topics)
	if len(s.Uplink.URLs) > 0 {
		n += uplink.Worst
	}
	return n
}

// topicLimit is how many topics there may be: one per KiB of --memory unless said.
func (s *Settings) topicLimit() int {
	if s.Topics > 0 {
		return s.Topics
	}
	return int(min(int64(s.Memory)>>10, node.MaxTopics))
}

// storeMemory is what of --memory the store of durable topics has: what it takes at
// most, up to half. Readings that the arena then does not hold are read from disk.
func (s *Settings) storeMemory() int64 {
	if !s.WantsDurable() {
		return 0
	}
	return min(s.storeWorst(s.topicLimit()), int64(s.Memory)/2)
}
