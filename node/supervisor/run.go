package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"topicd/node"
)

// Run tells the service manager that the hub serves, and how it is until ctx ends:
// a sign of life each time that a reading got through, and figures for people.
func (n *Notifier) Run(ctx context.Context, hub *node.Hub, p *Probe, addresses int, log *slog.Logger) {
	if n == nil {
		return
	}
	defer p.Close()
	every := 10 * time.Second
	if n.watchdog > 0 {
		every = min(every, n.watchdog/3) // one may be late, and one be lost
	}
	said, at, before := true, time.Now(), hub.Stats.Get(node.Stored)
	tell := func(states ...string) {
		err := n.Tell(states...)
		if (err == nil) != said {
			said = err == nil
			log.Warn("the service manager does not hear us", "over", said, "err", err)
		}
	}
	tell(Ready, Status(fmt.Sprintf("serves on %d addresses", addresses)))
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if n.watchdog > 0 {
			beat, cancel := context.WithTimeout(ctx, n.watchdog)
			err := p.Beat(beat)
			cancel()
			switch {
			case err == nil:
				tell(alive)
			case ctx.Err() == nil:
				log.Error("no reading gets through the hub: the service manager is given no sign of life", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, stored := time.Now(), hub.Stats.Get(node.Stored)
		c := hub.Counts()
		if p.conn != nil {
			c.Sessions--
		}
		tell(Status(fmt.Sprintf("%d clients, %d topics, %.1f readings/s, %d addresses", c.Sessions, c.Topics, float64(stored-before)/now.Sub(at).Seconds(), addresses)))
		at, before = now, stored
	}
}
