package access

import (
	"log/slog"
	"sync"
	"time"

	"topicd/codec"
)

// Told are the refusals that the log has had: a browser comes back every few
// seconds, and whoever guesses tokens comes faster. The zero value is ready.
type Told struct {
	mu   sync.Mutex
	last map[string]time.Time // by what was refused to whom
}

const (
	toldAgain = 10 * time.Minute // the same is worth a line again
	toldMost  = 256              // of them at a time; others are counted only
)

// First tells whether a refusal is news.
func (t *Told) First(key string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.last[key]; ok && now.Sub(last) < toldAgain {
		return false
	}
	if len(t.last) >= toldMost {
		for k, at := range t.last {
			if now.Sub(at) >= toldAgain {
				delete(t.last, k)
			}
		}
		if len(t.last) >= toldMost {
			return false
		}
	}
	if t.last == nil {
		t.last = make(map[string]time.Time)
	}
	t.last[key] = now
	return true
}

// Token logs a token that was refused, once for each address.
func (t *Told) Token(log *slog.Logger, from string, e *codec.Error) {
	if t.First("token "+from, time.Now()) {
		log.Info("refused", "from", from, "why", e.Msg)
	}
}

// Short is a text from outside as long as a log's line can bear.
func Short(text string) string {
	if len(text) > 200 {
		return text[:200] + "…"
	}
	return text
}
