package client

import (
	"context"
	"sync"
)

// Take gives readings of topics that fit the patterns to fn, one after another, until
// it has had count of them (0 = no end), says no more by an error, or ctx or one of the
// subscriptions ends. It returns how many fn has had.
func (c *Client) Take(ctx context.Context, patterns []string, o SubOptions, count int, fn func(Message) error) (n int, err error) {
	var mu sync.Mutex
	done := false
	over := make(chan error, 1+len(patterns))
	hear := func(m Message) {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return
		}
		err := fn(m)
		if n++; err != nil || n == count {
			done = true
			over <- err
		}
	}
	for _, pattern := range patterns {
		s, bad := c.Subscribe(ctx, pattern, o, hear)
		if bad != nil {
			over <- bad
			break
		}
		go func() {
			<-s.Done()
			over <- s.Err()
		}()
	}
	select {
	case err = <-over:
	case <-ctx.Done():
		err = ctx.Err()
	}
	mu.Lock()
	defer mu.Unlock()
	done = true
	return n, err
}
