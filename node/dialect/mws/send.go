package mws

import (
	"time"

	"topicd/codec"
	"topicd/node"
)

// send sends one message, once to each open socket that fits: by id, by a tag,
// all for the id "*". Where nobody fits it is lost; topics of tags keep it.
// It returns what is to be waited for until durable topics have it on disk.
func (m *sockets) send(data string, sockets, tags []string) (node.Commit, *codec.Error) {
	if len(tags) > maxTagged || len(sockets) > maxSockets {
		return 0, codec.Errorf(codec.CodeTooLarge, "a message names at most %d sockets and %d tags", maxSockets, maxTagged)
	}
	body := node.Body{Data: codec.AppendString(nil, codec.JSON, data)}
	if len(body.Data) > m.hub.Options().MaxBody {
		m.hub.Stats.Add(node.RefusedLarge, 1)
		return 0, codec.Errorf(codec.CodeTooLarge, "the message is larger than the %d bytes that this hub takes", m.hub.Options().MaxBody)
	}
	m.say.Lock()
	defer m.say.Unlock()
	turn := m.hub.Turn()
	last, unkept, err := m.publish(tags, body, turn)
	if err != nil {
		return 0, err
	}
	for _, p := range m.fit(sockets, tags) {
		p.peer.Send(true, []byte(data), turn)
		m.out.sent(len(data), outflowAt, turn)
	}
	turn.Wake()
	m.each.sent(len(data), eachAt, turn)
	return last, unkept
}

// publish makes the message a reading of each tag's topic, once. It refuses only
// messages that come too fast: a hub that is full of topics still sends to sockets.
// unkept: a durable topic's disk did not take it.
func (m *sockets) publish(tags []string, b node.Body, turn *node.Turn) (last node.Commit, unkept, err *codec.Error) {
	m.mu.Lock()
	s, err := m.sessionLocked()
	m.mu.Unlock()
	if err != nil {
		return 0, nil, err
	}
	if err := s.Spend(1+len(tags), len(b.Data)*(1+len(tags)), turn.Mono); err != nil {
		return 0, nil, err
	}
	done := make(map[string]bool, len(tags))
	for _, tag := range tags {
		if topic := tagTopic(tag); topic != "" && !done[tag] {
			done[tag] = true
			p, err := s.Publish([]byte(topic), b, 0, turn)
			if err != nil {
				continue // counted by the hub
			}
			if last = max(last, p.Commit); p.Unkept != nil {
				unkept = p.Unkept
			}
		}
	}
	return last, unkept, nil
}

// fit are the sockets that at least one of the receivers means, each once.
func (m *sockets) fit(sockets, tags []string) []*socket {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.round++
	var list []*socket
	add := func(p *socket) {
		if p != nil && p.heard != m.round {
			p.heard = m.round
			list = append(list, p)
		}
	}
	for _, id := range sockets {
		if id != "*" {
			add(m.live[id])
			continue
		}
		for _, p := range m.live {
			add(p)
		}
	}
	for _, tag := range tags {
		for _, p := range m.tags[tag] {
			add(p)
		}
	}
	return list
}

// outflow bounds what may wait for sockets at a time: a large message to a
// thousand of them is a thousand copies, and a socket that is sent many before a
// flusher comes would be cut as one that does not read.
type outflow int // bytes since the flushers were given time

const (
	outflowAt = 1 << 20  // to all sockets together
	eachAt    = 64 << 10 // to one: a quarter of what may wait for it
)

func (o *outflow) sent(n, at int, turn *node.Turn) {
	if *o += outflow(n); int(*o) >= at {
		*o = 0
		turn.Wake()
		time.Sleep(2 * time.Millisecond) // the flushers write meanwhile
	}
}
