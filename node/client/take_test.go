package client

import (
	"context"
	"errors"
	"testing"

	"topicd/node"
)

// Take gives so many readings and ends; an error of who takes them ends it before,
// and so does the context.
func TestTake(t *testing.T) {
	h := startHub(t, "", node.Options{})
	c := dial(t, Options{URL: h.URL()})
	for _, topic := range []string{"a/1", "a/2", "b"} {
		if _, err := c.Publish(t.Context(), topic, 1); err != nil {
			t.Fatal(err)
		}
	}
	heard := map[string]bool{}
	n, err := c.Take(t.Context(), []string{"a/#", "b"}, SubOptions{}, 3, func(m Message) error { heard[m.Topic] = true; return nil })
	if n != 3 || err != nil || len(heard) != 3 {
		t.Errorf("%d %v %v", n, err, heard)
	}
	enough := errors.New("enough")
	c = dial(t, Options{URL: h.URL()})
	if n, err := c.Take(t.Context(), []string{"a/#"}, SubOptions{}, 0, func(Message) error { return enough }); n != 1 || err != enough {
		t.Error(n, err)
	}
	c = dial(t, Options{URL: h.URL()})
	ctx, end := context.WithCancel(t.Context())
	if n, err := c.Take(ctx, []string{"b"}, SubOptions{}, 0, func(Message) error { end(); return nil }); n != 1 || err != context.Canceled {
		t.Error(n, err)
	}
}
