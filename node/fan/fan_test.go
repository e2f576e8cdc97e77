package fan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"topicd/codec"
)

type listener struct {
	rank    uint64
	session int
	pattern string
	at      int32
}

func (l *listener) Rank() uint64             { return l.rank }
func (l *listener) Exact() bool              { return !codec.HasWildcard(l.pattern) }
func (l *listener) Pattern() string          { return l.pattern }
func (l *listener) Sibling(m *listener) bool { return l.session == m.session }
func (l *listener) Place() *int32            { return &l.at }

// The trie finds what matching each pattern by itself finds, whatever came and went.
func TestTrieFindsWhatFits(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	word := func(words ...string) string {
		n := 1 + r.IntN(4)
		w := make([]string, n)
		for i := range w {
			w[i] = words[r.IntN(len(words))]
		}
		return strings.Join(w, "/")
	}
	var trie Trie[*listener]
	var all []*listener
	for i := range 5000 {
		if len(all) > 0 && r.IntN(3) == 0 {
			k := r.IntN(len(all))
			trie.Remove(all[k])
			all = slices.Delete(all, k, k+1)
		} else {
			p := word("a", "b", "+", "$x")
			if r.IntN(2) == 0 {
				p += "/#"
			}
			if r.IntN(20) == 0 {
				p = "#"
			}
			l := &listener{rank: uint64(i), pattern: p}
			if l.Exact() || codec.CheckPattern([]byte(p)) != nil {
				continue
			}
			trie.Add(l)
			all = append(all, l)
		}
		topic := word("a", "b", "c", "$x")
		var got, want []string
		trie.Match(topic, func(l *listener) { got = append(got, fmt.Sprint(l.rank)) })
		for _, l := range all {
			if codec.Match(l.pattern, topic) {
				want = append(want, fmt.Sprint(l.rank))
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("step %d: %q is heard by %v, want %v", i, topic, got, want)
		}
	}
	for _, l := range all {
		trie.Remove(l)
	}
	if trie.n != 0 || len(trie.root.kids) > 0 || trie.root.plus != nil {
		t.Error("an empty trie keeps levels")
	}
}

// A list is what a slice is, and gives its blocks back.
func TestListIsAQueue(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 9))
	var l List
	var want []Entry
	bytes := 0
	for i := range 20_000 {
		switch n := r.IntN(10); {
		case n < 5 || len(want) == 0:
			e := NewEntry(uint32(i)&MaxSlots, uint16(i)&MaxSlots, uint64(i)<<20)
			bytes += l.Push(e)
			want = append(want, e)
		case n < 9:
			bytes -= l.Pop()
			want = want[1:]
		case r.IntN(20) == 0:
			k := r.IntN(len(want) + 1)
			bytes -= l.Truncate(int32(k))
			want = want[:k]
		}
		if int(l.Len()) != len(want) || int64(bytes) != l.Bytes() {
			t.Fatalf("step %d: %d entries in %d bytes, want %d in %d", i, l.Len(), l.Bytes(), len(want), bytes)
		}
		for k := range want {
			if k < 3 || k > len(want)-3 {
				if *l.At(int32(k)) != want[k] {
					t.Fatalf("step %d: entry %d differs", i, k)
				}
			}
		}
	}
}

func TestEntryHoldsItsParts(t *testing.T) {
	e := NewEntry(MaxTopics-1, MaxSlots, 1<<40|0xfedcba98)
	if e.Topic() != MaxTopics-1 || e.Slot() != MaxSlots || e.From() != 0xfedcba98 || e.IsMark() {
		t.Errorf("%x", e)
	}
	if !NewEntry(LiveMark, 1, 0).IsMark() || !NewEntry(EndMark, 1, 0).IsMark() {
		t.Error("marks are cursors")
	}
}

func TestMarks(t *testing.T) {
	var m Marks
	m.Set(70_000, false) // costs no page
	if m.pages.Load() != nil {
		t.Error("taking away what is not there makes a page")
	}
	for _, i := range []uint32{0, 31, 32, 511, 512, 70_000, MaxTopics} {
		m.Set(i, true)
		if !m.Has(i) || m.Has(i^1) {
			t.Errorf("%d", i)
		}
		m.Set(i, false)
		if m.Has(i) {
			t.Errorf("%d stays", i)
		}
	}
}

// A topic that one peer subscribed to has an audience of its own: it is small.
func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(alone[*listener]{}); unsafe.Sizeof(uintptr(0)) == 8 && n > 32 {
		t.Errorf("an audience of one is %d bytes", n)
	}
}

// Topics with the same listeners share one audience, in whatever order they came;
// it goes with its last topic.
func TestAudiencesAreShared(t *testing.T) {
	as := make(Audiences[*listener])
	a, b := &listener{rank: 1, session: 1, pattern: "#"}, &listener{rank: 2, session: 2, pattern: "a/#"}
	x := as.Get([]*listener{a, b})
	x.Take()
	y := as.Get([]*listener{b, a})
	y.Take()
	if x != y || x.Refs() != 2 {
		t.Fatalf("%p and %p, %d", x, y, x.Refs())
	}
	better := &listener{rank: 3, session: 1, pattern: "+/b"}
	if got := x.With(better); len(got) != 2 || got[0] != better {
		t.Errorf("a more particular subscription of a session does not take the other's place: %v", got)
	}
	as.Release(x)
	as.Release(y)
	if len(as) != 0 {
		t.Error("an audience that nobody has is kept")
	}
	named := as.Get([]*listener{{rank: 1 << 63, session: 3, pattern: "a/b"}})
	if !named.Named() || len(as) != 0 {
		t.Error("an exact name's audience can be no other topic's, and need not be found")
	}
}
