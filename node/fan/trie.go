package fan

import "strings"

// Trie is a trie of the subscriptions with a wildcard, by level. It is
// asked when a topic is born, never when a reading is published. Exact
// subscriptions are not in it: they hold their topic.
type Trie[L Listener[L]] struct {
	root   level[L]
	n      int
	levels int // below the root
}

// Levels is how many levels all patterns have together, those that they share once:
// each is some LevelCost bytes.
func (p *Trie[L]) Levels() int { return p.levels }

// LevelCost is a level and its place in a map.
const LevelCost = 320

type level[L Listener[L]] struct {
	kids map[string]*level[L]
	plus *level[L]
	here []L // patterns that end at this level
	rest []L // patterns that end here with '#'
}

// Add adds a subscription.
func (p *Trie[L]) Add(s L) {
	at := &p.root
	p.n++
	for word, more := range levels(s.Pattern()) {
		if word == "#" {
			*s.Place() = int32(len(at.rest))
			at.rest = append(at.rest, s)
			return
		}
		next := at.plus
		if word != "+" {
			next = at.kids[word]
		}
		if next == nil {
			next = &level[L]{}
			p.levels++
			if word == "+" {
				at.plus = next
			} else {
				if at.kids == nil {
					at.kids = make(map[string]*level[L])
				}
				at.kids[word] = next
			}
		}
		at = next
		if !more {
			*s.Place() = int32(len(at.here))
			at.here = append(at.here, s)
		}
	}
}

// Remove takes a subscription out.
func (p *Trie[L]) Remove(s L) {
	p.n--
	p.root.remove(s, s.Pattern(), &p.levels)
}

// remove takes s out and reports whether nothing is left below l. n counts levels.
func (l *level[L]) remove(s L, rest string, n *int) bool {
	word, tail, more := strings.Cut(rest, "/")
	switch {
	case word == "#":
		l.rest = takeOut(l.rest, s)
	case word == "+":
		if l.plus.step(s, tail, more, n) {
			l.plus = nil
			*n--
		}
	default:
		if l.kids[word].step(s, tail, more, n) {
			delete(l.kids, word)
			*n--
		}
	}
	return len(l.kids) == 0 && l.plus == nil && len(l.here) == 0 && len(l.rest) == 0
}

func (l *level[L]) step(s L, rest string, more bool, n *int) bool {
	if more {
		return l.remove(s, rest, n)
	}
	l.here = takeOut(l.here, s)
	return len(l.kids) == 0 && l.plus == nil && len(l.here) == 0 && len(l.rest) == 0
}

func takeOut[L Listener[L]](list []L, s L) []L {
	n := len(list) - 1
	i := *s.Place()
	list[i] = list[n]
	*list[i].Place() = i
	var none L
	list[n] = none
	return list[:n]
}

// Match calls hit for every subscription whose pattern fits the topic.
func (p *Trie[L]) Match(topic string, hit func(L)) {
	if p.n > 0 {
		p.root.match(topic, topic[0] == '$', hit)
	}
}

func (l *level[L]) match(rest string, reserved bool, hit func(L)) {
	if !reserved { // MQTT 4.7.2: a leading wildcard does not match $ names
		for _, s := range l.rest {
			hit(s)
		}
	}
	word, tail, more := strings.Cut(rest, "/")
	if k := l.kids[word]; k != nil {
		k.deeper(tail, more, hit)
	}
	if l.plus != nil && !reserved {
		l.plus.deeper(tail, more, hit)
	}
}

func (l *level[L]) deeper(rest string, more bool, hit func(L)) {
	if more {
		l.match(rest, false, hit)
		return
	}
	for _, s := range l.here {
		hit(s)
	}
	for _, s := range l.rest { // MQTT 4.7.1.2: a/# fits a as well
		hit(s)
	}
}

// levels yields the levels of a name and whether more follow.
func levels(name string) func(yield func(string, bool) bool) {
	return func(yield func(string, bool) bool) {
		for {
			word, rest, more := strings.Cut(name, "/")
			if !yield(word, more) || !more {
				return
			}
			name = rest
		}
	}
}
