package fan

import "sync/atomic"

// Marks are a bit for each topic: the session's cursor on it exists. They are
// written under the session's lock and read without one: a publish asks them of
// every listener that has not caught up.
type Marks struct {
	pages atomic.Pointer[[]*markPage]
}

const (
	markBits = 9
	pageSize = 1 << markBits
)

type markPage [pageSize / 32]atomic.Uint32

// Has reports whether the topic is marked.
func (m *Marks) Has(topic uint32) bool {
	dir := m.pages.Load()
	if dir == nil || int(topic>>markBits) >= len(*dir) {
		return false
	}
	p := (*dir)[topic>>markBits]
	return p != nil && p[topic>>5&(pageSize/32-1)].Load()&(1<<(topic&31)) != 0
}

// Set marks the topic, or takes its mark away. One caller at a time.
func (m *Marks) Set(topic uint32, on bool) {
	dir := m.pages.Load()
	p := int(topic >> markBits)
	if dir == nil || p >= len(*dir) || (*dir)[p] == nil {
		if !on {
			return
		}
		var grown []*markPage
		if dir != nil {
			grown = append(grown, *dir...)
		}
		for len(grown) <= p {
			grown = append(grown, nil)
		}
		grown[p] = new(markPage)
		dir = &grown
		m.pages.Store(dir)
	}
	w := &(*dir)[p][topic>>5&(pageSize/32-1)]
	if on {
		w.Store(w.Load() | 1<<(topic&31))
	} else {
		w.Store(w.Load() &^ (1 << (topic & 31)))
	}
}
