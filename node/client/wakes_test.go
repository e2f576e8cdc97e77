package client

import (
	"testing"

	"topicd/node"
)

// unsent are acknowledgements that wait for a connection.
func unsent(c *Client) *acks {
	a := &acks{of: map[string]*acked{"a": {seq: 7}}}
	a.s = &Subscription{c: c, answered: true, acks: a}
	return a
}

func (a *acks) waits() (unsent, armed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.of["a"].sent, a.timer != nil
}

// A connection that comes while acknowledgements find that there is none has them sent.
func TestAcksWhileTheConnectionComes(t *testing.T) {
	a := unsent(&Client{})
	a.mu.Lock()
	a.soonLocked()
	a.timer.Stop() // it is flush's, below
	a.mu.Unlock()
	c, done := a.s.c, make(chan struct{})
	c.mu.Lock()
	go func() { a.flush(); close(done) }()
	eventually(t, "the timer has been taken", func() bool { _, armed := a.waits(); return !armed })
	a.again() // as the connection's beginning does
	c.mu.Unlock()
	<-done
	if _, armed := a.waits(); !armed {
		t.Error("nobody sends them any more")
	}
}

// Acknowledgements that went to a connection that was lost meanwhile go to the next one,
// which may have begun already.
func TestAcksToALostConnection(t *testing.T) {
	h := startHub(t, "", node.Options{})
	k, err := dial(t, Options{URL: h.URL()}).connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k.ws.Close()
	c := &Client{conn: k}
	a := unsent(c)
	a.flush()
	eventually(t, "a time to send them again", func() bool { unsent, armed := a.waits(); return unsent && armed })
	c.mu.Lock()
	c.conn = nil // it is tried in vain no more
	c.mu.Unlock()
}
