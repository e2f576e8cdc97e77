// Package keyed finds values by a key that they hold themselves.
package keyed

// Value knows the hash of its key: a number as it is, or one made of it. What is zero
// is none.
type Value interface {
	comparable
	Hash() uint32
}

// Table is a hash table with open addressing: 8 bytes a place, of which 3 of 8 to 3 of
// 4 are taken. A map of Go's takes 28 bytes a value with a small key and 41 with a string.
// The zero Table is empty. It has no lock of its own.
type Table[V Value] struct {
	places []V // a power of two of them
	n      int
}

// Len is how many values it has.
func (t *Table[V]) Len() int { return t.n }

// Find returns the value with that hash that is the one, or none.
func (t *Table[V]) Find(hash uint32, is func(V) bool) (none V) {
	if t.n == 0 {
		return none
	}
	for i := t.home(hash); t.places[i] != none; i = t.next(i) {
		if is(t.places[i]) {
			return t.places[i]
		}
	}
	return none
}

// All yields every value, in no order. None may be added or removed meanwhile.
func (t *Table[V]) All(yield func(V) bool) {
	var none V
	for _, v := range t.places {
		if v != none && !yield(v) {
			return
		}
	}
}

// Put adds a value whose key is not in it.
func (t *Table[V]) Put(v V) {
	var none V
	if 4*(t.n+1) > 3*len(t.places) {
		old := t.places
		t.places = make([]V, max(8, 2*len(old)))
		for _, o := range old {
			if o != none {
				t.place(o)
			}
		}
	}
	t.n++
	t.place(v)
}

// Remove takes a value out, if it is there, and moves up those that had to pass its place.
func (t *Table[V]) Remove(v V) {
	var none V
	if t.n == 0 {
		return
	}
	i := t.home(v.Hash())
	for ; t.places[i] != v; i = t.next(i) {
		if t.places[i] == none {
			return
		}
	}
	t.n--
	for j := i; ; {
		t.places[i] = none
		for {
			j = t.next(j)
			w := t.places[j]
			if w == none {
				return
			}
			// w may stay when its home lies behind the hole, on the way to j.
			if home := t.home(w.Hash()); (j-home)&(len(t.places)-1) >= (j-i)&(len(t.places)-1) {
				t.places[i] = w
				i = j
				break
			}
		}
	}
}

func (t *Table[V]) home(hash uint32) int { return int(hash) & (len(t.places) - 1) }

func (t *Table[V]) next(i int) int { return (i + 1) & (len(t.places) - 1) }

func (t *Table[V]) place(v V) {
	var none V
	i := t.home(v.Hash())
	for t.places[i] != none {
		i = t.next(i)
	}
	t.places[i] = v
}
