package show

import (
	"sync"
	"time"

	"topicd/node/client"
)

// Losses tells people what they did not get, once a second at most.
type Losses struct {
	Note  func(format string, args ...any)
	Meant bool // leaving readings out is what was asked for

	mu    sync.Mutex
	n     uint64
	topic string
	last  time.Time
	anew  bool // the hub's numbers began anew; said once
}

// Add counts what is missing before m.
func (l *Losses) Add(m client.Message, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.Restart && !l.anew {
		l.Note("the hub was restarted: what came while it was away is not known")
	}
	if m.Restart || m.Live {
		l.anew = m.Restart
	}
	if m.Drop == 0 || l.Meant {
		return
	}
	l.n += m.Drop
	l.topic = m.Topic
	if now.Sub(l.last) >= time.Second {
		l.tellLocked()
		l.last = now
	}
}

func (l *Losses) tellLocked() {
	switch l.n {
	case 0:
	case 1:
		l.Note("a reading of %s was lost", l.topic)
	default:
		l.Note("%d readings were lost, the last of them of %s", l.n, l.topic)
	}
	l.n = 0
}

// Close tells what has not been told.
func (l *Losses) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tellLocked()
}
