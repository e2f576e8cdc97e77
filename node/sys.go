package node

import (
	"strconv"

	"topicd/codec"
	"topicd/node/arena"
)

// The hub's own topics. They are written within the hub, with mu held, and a
// client may read them like any other.

const (
	presencePrefix = "$sys/presence/"
	statsTopic     = "$sys/stats"
	statsEvery     = 10_000 // milliseconds
	sysCap         = 4096   // bytes of history of one of these topics: the last few states are enough
)

// publishOwnLocked publishes to one of the hub's own topics.
func (h *Hub) publishOwnLocked(name string, json []byte, turn *Turn) {
	t, err := h.topicLocked(name)
	if err != nil {
		return // no room for another topic: counted there
	}
	if used, budget, _ := h.arena.Usage(); budget-used < int64(len(json))+arena.Slack {
		_ = h.makeRoomLocked(len(json), h.fair.Load(), turn.Mono) || h.makeRoomLocked(len(json), 0, turn.Mono)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = 0
	seq := t.log.Next()
	if _, ok := t.log.Append(h.arena, &arena.Record{TS: turn.Wall, Era: h.calendar.Era(turn.Wall, turn.Mono), Data: json}, sysCap, 0); !ok {
		h.Stats.Add(RefusedRoom, 1)
		return
	}
	h.tell(t, seq, nil, turn)
}

// PublishOwn publishes a JSON value to one of the hub's own topics: what a dialect has
// to say to everybody who wants to know. name begins with $.
func (h *Hub) PublishOwn(name string, json []byte, turn *Turn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.publishOwnLocked(name, json, turn)
}

// PublishOwn is Hub.PublishOwn for what the peer does: a topic that this makes is charged to
// it. Called by the peer's reader only.
func (s *Session) PublishOwn(name string, json []byte, turn *Turn) {
	if s.hub.Find([]byte(name)) == nil && s.mayMake(ownCost, turn.Mono) != nil {
		return
	}
	s.hub.PublishOwn(name, json, turn)
}

// statsLocked publishes the hub's figures once in statsEvery.
func (h *Hub) statsLocked(turn *Turn) {
	if turn.Mono-h.statsAt < statsEvery {
		return
	}
	h.statsAt = turn.Mono
	b := append(make([]byte, 0, 1024), '{')
	h.figuresLocked(turn.Mono, func(name string, v int64) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = codec.AppendString(b, codec.JSON, name)
		b = strconv.AppendInt(append(b, ':'), v, 10)
	})
	h.publishOwnLocked(statsTopic, append(b, '}'), turn)
}

// figuresLocked yields every figure of the hub with its name.
func (h *Hub) figuresLocked(mono int64, yield func(string, int64)) {
	m := h.memoryLocked()
	yield("uptime", (mono-h.began)/1000) // seconds
	yield("topics", int64(h.byName.n))
	yield("sessions", int64(h.sessions.Len()))
	yield("subscriptions", int64(h.nsubs))
	yield("bytes_readings", m.Readings)
	yield("bytes_arena", m.Arena)
	yield("bytes_budget", m.Budget)
	yield("bytes_topics", m.Topics)
	yield("bytes_sessions", m.Sessions)
	yield("bytes_subscriptions", m.Subscriptions)
	yield("bytes_ready", m.Ready)
	if h.opt.Disk != nil {
		h.opt.Disk.Figures(yield)
	}
	for c := range Counters {
		yield(c.String(), h.Stats.Get(c))
	}
}

// Figures yields every gauge and counter of the hub with its name, as in
// $sys/stats: numbers of things, bytes, seconds of uptime.
func (h *Hub) Figures(yield func(name string, v int64)) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	h.figuresLocked(h.Mono(), yield)
}
