package node

import (
	"testing"

	"topicd/codec"
)

// all are rights to everything, until they are over.
type all struct{ Rights }

// Whoever ends the connections of a token is told how many there are, not how many sessions
// have its rights, and not the same once more while they end.
func TestEndedConnectionsAreCountedOnce(t *testing.T) {
	h := newClocked(t, Options{})
	one, away := open(t, h.Hub), open(t, h.Hub)
	request, err := h.Open(Deaf{}, "10.0.0.1:2", "/", h.turn)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Session{one.s, away.s, request} {
		s.SetRights(all{})
	}
	away.s.Away(h.turn)
	over := func(Rights) bool { return true }
	why := &codec.Error{Code: codec.CodeUnauthorized, Msg: "revoked"}
	if n := h.CutWhere(over, why); n != 1 || one.cut != why || away.cut != why {
		t.Errorf("%d, %v, %v", n, one.cut, away.cut)
	}
	if n := h.CutWhere(over, why); n != 0 {
		t.Error(n, "once more")
	}
	if h.Cut(request.ID(), why) || !h.Cut(one.s.ID(), why) {
		t.Error("a request is said to be cut, or a connection not")
	}
	away.s.Back(h.turn)
	if n := h.CutWhere(over, why); n != 1 {
		t.Error("who has come back is counted as", n)
	}
	request.Close(h.turn)
}
