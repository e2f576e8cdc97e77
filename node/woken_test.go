package node

import (
	"fmt"
	"strings"
	"testing"
)

// TestModelIsWoken runs random operations with subscribers that read when they are
// woken, or when Fill said when to come again, and never otherwise, as transports do.
// When everybody has read, and acknowledged, nothing may be left on any list; each
// subscription is live, and what is published then comes to whoever is subscribed.
func TestModelIsWoken(t *testing.T) {
	steps, seeds := 3000, uint64(24)
	if testing.Short() {
		steps, seeds = 600, 8
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, 100+seed)
			m.woken, m.most = true, 3
			m.topics, m.patterns = strings.Fields("x/1 x/2 a b"), strings.Fields("# x/# + x/1 a")
			for i := range steps {
				op := m.step()
				if err := m.h.CheckInvariants(); err != nil {
					t.Fatalf("step %d, %s: %v", i, op, err)
				}
				if i%100 == 99 && len(m.peers) > 0 {
					m.settled()
				}
			}
		})
	}
}

// isDue: its transport fills the peer now.
func (m *model) isDue(p *modelPeer) bool {
	return !m.woken || p.woken > 0 || p.next == Again || p.next > 0 && p.next <= m.now
}

// settle has everybody read what they are woken for, and acknowledge it.
func (m *model) settle() {
	for range 10_000 {
		some, next := m.disk.run(), Idle
		for _, p := range m.peers {
			if m.isDue(p) {
				p.woken, some = 0, true
				m.check(p, p.fill(m.now, 0))
			}
			if p.window.room <= 0 {
				m.ack(p, 8)
				some = true
			}
			if p.next > 0 && (next == Idle || p.next < next) {
				next = p.next
			}
		}
		m.turn.Wake()
		switch {
		case some:
		case next == Idle:
			return
		default:
			m.now = max(m.now, next)
			m.h.Tick(m.turn)
		}
	}
	m.t.Fatal("there is no end to what is read")
}

func (m *model) settled() {
	m.h.Tick(m.turn)
	m.settle()
	for _, p := range m.peers {
		m.caughtUp(p)
		for b := range p.s.subs.all {
			if !b.live && !b.ending {
				m.t.Fatalf("session %d: nobody has said that %s is live", p.s.id, b.pattern)
			}
		}
	}
	hears := make(map[*modelPeer][]string)
	for _, name := range m.topics {
		m.publishTo(m.peers[0], name)
		t := m.h.Find([]byte(name))
		for _, p := range m.peers {
			if serving(t.aud, p.s) != nil {
				hears[p] = append(hears[p], name)
			}
		}
	}
	m.turn.Wake()
	m.settle()
	for p, names := range hears {
		for _, name := range names {
			if t := m.h.Find([]byte(name)); p.at[name] != t.log.Next()-1 {
				m.t.Fatalf("session %d has read %s up to %d of %d", p.s.id, name, p.at[name], t.log.Next()-1)
			}
		}
	}
}
