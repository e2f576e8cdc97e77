package replay

import (
	"context"
	"time"

	"topicd/node/client"
	"topicd/node/pause"
)

// Player publishes rows again, with the gaps in which they came.
type Player struct {
	Rows     []Row
	Speed    float64 // how many times as fast, 0 = waits for nothing
	Feed     client.Feed
	Progress func(n int, at time.Time) // now and then: rows done, and the time of the last
}

// Once publishes all rows once.
func (p *Player) Once(ctx context.Context) error {
	began, told := time.Now(), time.Time{}
	for i, r := range p.Rows {
		if p.Speed > 0 {
			at := time.Duration(float64(r.At.Sub(p.Rows[0].At)) / p.Speed)
			if wait := at - time.Since(began); wait > 0 {
				if err := p.Feed.End(ctx); err != nil { // nothing stays under way while nothing is to be done
					return err
				}
				if !pause.For(ctx, wait) {
					return ctx.Err()
				}
			}
		}
		p.Feed.Topic = r.Topic
		if err := p.Feed.One(ctx, r.Data); err != nil {
			return err
		}
		if now := time.Now(); now.Sub(told) > 200*time.Millisecond {
			told = now
			p.Progress(i+1, r.At)
		}
	}
	err := p.Feed.End(ctx)
	p.Progress(len(p.Rows), p.Rows[len(p.Rows)-1].At)
	return err
}
