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
			if _, err := p.s.Publish(fmt.Appendf(nil, "flood/%d/%d", i, j), Body{Enc: codec.JSON, Data: []byte("1")}, 0, h.turn); err == nil {
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
	if _, err := other.Publish([]byte("honest"), Body{Enc: codec.JSON, Data: []byte("1")}, 0, h.turn); err != nil {
		t.Errorf("another address: %v", err)
	}
	for i := range 60 {
		h.PublishOwn(fmt.Sprintf("$sys/x/%d", i), []byte("1"), h.turn)
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
			if _, err := s.Publish(fmt.Appendf(nil, "flood/%d/%d", i, j), Body{Enc: codec.JSON, Data: []byte("1")}, 0, h.turn); err == nil {
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
			p.s.PublishOwn(fmt.Sprintf("$sys/relay/%d-%d", i, j), []byte("1"), h.turn)
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

// Who may nothing uses up nobody's allowance: behind one router or proxy all have
// one address.
func TestRefusedMakersCostTheirAddressNothing(t *testing.T) {
	h := newClocked(t, Options{Topics: 40, Made: 30})
	bad, good := open(t, h.Hub), open(t, h.Hub)
	bad.s.SetRights(mayNothing{})
	for i := range 400 {
		if err := bad.s.MayManage(fmt.Appendf(nil, "x%d", i)); err == nil || err.Code != codec.CodeUnauthorized {
			t.Fatalf("who may nothing is answered %v", err)
		}
	}
	if _, err := good.s.Publish([]byte("mine"), Body{Enc: codec.JSON, Data: []byte("1")}, 0, h.turn); err != nil {
		t.Errorf("a good publisher of the same address: %v", err)
	}
}

// Topics that are made without a reading in them are charged as well.
func TestMadeTopicsAreCharged(t *testing.T) {
	h := newClocked(t, Options{Topics: 400, Made: 20})
	made := 0
	for range 4 {
		p := open(t, h.Hub)
		for i := range 100 {
			if _, _, err := p.s.Make(fmt.Appendf(nil, "t%d.%d", p.s.ID(), i), MakeOptions{}, h.turn); err == nil {
				made++
			}
		}
	}
	if made != 80 {
		t.Errorf("4 connections of one address made %d topics, want 20 each", made)
	}
}

type mayNothing struct{}

var errNothing = &codec.Error{Code: codec.CodeUnauthorized, Msg: "no"}

func (mayNothing) MayPublish([]byte) *codec.Error   { return errNothing }
func (mayNothing) MaySubscribe([]byte) *codec.Error { return errNothing }
func (mayNothing) MayManage([]byte) *codec.Error    { return errNothing }
func (mayNothing) MayAdmin() *codec.Error           { return errNothing }
func (mayNothing) MayList() *codec.Error            { return errReserved }
func (mayNothing) MayRead(string) bool              { return false }
