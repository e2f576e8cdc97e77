package node

import (
	"fmt"
	"testing"

	"topicd/codec"
)

// Who comes again on another connection has made what it made: one address
// leaves a quarter of all topics to the others, and so do the hub's own.
func TestTopicsOfOneAddress(t *testing.T) {
	h := newClocked(t, Options{Topics: 100, Made: 50})
	made := 0
	for i := range 10 {
		p := open(t, h.Hub)
		for j := range 30 {
			if _, err := p.s.Publish(fmt.Appendf(nil, "flood/%d/%d", i, j), Body{codec.JSON, []byte("1")}, 0, h.turn); err == nil {
				made++
			}
		}
		p.s.Close(h.turn)
	}
	if made != 75 {
		t.Errorf("one address made %d of 100 topics", made)
	}
	other, err := h.Open(&peer{}, "10.0.0.2:1", "/", h.Turn())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Publish([]byte("honest"), Body{codec.JSON, []byte("1")}, 0, h.turn); err != nil {
		t.Errorf("another address: %v", err)
	}
	for i := range 60 {
		h.Tell(fmt.Sprintf("$sys/x/%d", i), []byte("1"), h.turn)
	}
	if n := len(h.Topics("$sys/#")); n > 25 {
		t.Errorf("%d topics of 100 are the hub's own", n)
	}
}

// Addresses of one owner are one address.
func TestTopicsOfOneOwner(t *testing.T) {
	h := newClocked(t, Options{Topics: 100, Made: 50, Owner: func(addr string) string { return addr[:len("2001:db8::")] }})
	made := 0
	for i := range 10 {
		s, err := h.Open(&peer{}, fmt.Sprintf("2001:db8::%d:1", i), "/", h.Turn())
		if err != nil {
			t.Fatal(err)
		}
		for j := range 30 {
			if _, err := s.Publish(fmt.Appendf(nil, "flood/%d/%d", i, j), Body{codec.JSON, []byte("1")}, 0, h.turn); err == nil {
				made++
			}
		}
		s.Close(h.turn)
	}
	if made != 75 {
		t.Errorf("one owner made %d of 100 topics", made)
	}
}

// The hub's own topics are a quarter of all, and one address leaves a quarter of
// those to the others: their presence is told, whoever has said how many names.
func TestNamesOfOneAddress(t *testing.T) {
	h := newClocked(t, Options{Topics: 100, Made: 50})
	for i := range 10 {
		p := open(t, h.Hub)
		for j := range 10 {
			_ = p.s.Hello(fmt.Sprintf("dev%d-%d", i, j), "", h.turn)
			p.s.Tell(fmt.Sprintf("$sys/relay/%d-%d", i, j), []byte("1"), h.turn)
		}
		p.s.Close(h.turn)
	}
	if n := len(h.Topics("$sys/#")); n > 19 {
		t.Errorf("one address made %d of 25 topics", n)
	}
	other, err := h.Open(&peer{}, "10.0.0.2:1", "/", h.Turn())
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Hello("honest", "", h.turn); err != nil {
		t.Error(err)
	}
	if h.Find([]byte("$sys/presence/honest")) == nil {
		t.Error("nobody is told of another address")
	}
}
