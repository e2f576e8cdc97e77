package link

import (
	"bytes"
	"io"
	"math"
	"net"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
)

// ageSlots gives every set places that were taken 2^31 times.
func (s *Server) ageSlots() {
	for i := range s.polling.sets {
		l := &s.polling.sets[i]
		l.mu.Lock()
		for n := range int32(2) {
			l.slots = append(l.slots, slot{gen: math.MaxInt32})
			l.free = append(l.free, n)
		}
		l.mu.Unlock()
	}
}

type mute struct{}

func (mute) Open(node.Peer, *node.Turn)                {}
func (mute) Frame(node.Peer, bool, []byte, *node.Turn) {}
func (mute) Bye(node.Peer, *codec.Error, *node.Turn)   {}
func (mute) Close(node.Peer, *node.Turn)               {}

// A socket may be full before its loop knows it: others may write to a peer as
// soon as it has its answer. It is armed when it enters, and nothing is lost.
func TestFullBeforeItHasAPlaceInItsLoop(t *testing.T) {
	h := node.New(node.Options{})
	defer h.Close()
	s, err := New(h, Options{Reader: readPoll, Unread: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := &conn{carrier: s.on(nil), dialect: mute{}}
	if c.sock, err = s.newSocket(nc); err != nil {
		t.Fatal(err)
	}
	turn := h.Turn()
	sess, _ := h.Open(c, "", "", turn)
	c.sess.Store(sess)
	s.add(c)
	all := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	c.Send(false, all, turn)
	w := newWorker(s)
	w.tick()
	w.flush(c)
	c.mu.Lock()
	full := c.writer == blocked
	c.mu.Unlock()
	if !full {
		t.Fatal("the socket took 16 MiB")
	}
	c.sock.start(c)
	_ = client.SetDeadline(time.Now().Add(30 * time.Second))
	got := make([]byte, len(all))
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, all) {
		t.Errorf("not all of it came: %v", err)
	}
	_ = client.Close()
	s.Shutdown(t.Context())
}
