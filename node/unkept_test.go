package node

import (
	"testing"

	"topicd/codec"
)

// What the disk has not taken is not known when its device sends it again, as it was told
// to: it is taken then, and the answer waits for the disk.
func TestSentAgainToBeKept(t *testing.T) {
	d := newRAM("a")
	h := New(Options{Disk: d})
	defer h.Close()
	turn := h.Turn()
	s, err := h.Open(Deaf{}, "10.0.0.1:1", "/", turn)
	if err == nil {
		err = s.Hello("pump", "", turn)
	}
	if err != nil {
		t.Fatal(err)
	}
	pub := func() Published {
		p, err := s.Publish([]byte("a"), Body{Enc: codec.JSON, Data: []byte("1")}, 7, turn)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	d.broken = &codec.Error{Code: codec.CodeNoRoom, Msg: "full"}
	if p := pub(); p.Unkept == nil {
		t.Fatalf("%+v", p)
	}
	d.broken = nil
	kept := pub()
	if kept.Dup || kept.Commit == 0 {
		t.Errorf("sent again it is %+v", kept)
	}
	if p := pub(); !p.Dup || p.Seq != kept.Seq || p.Commit != kept.Commit {
		t.Errorf("and once more it is %+v", p)
	}
	s.Close(turn)
}
