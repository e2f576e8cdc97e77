package node

import "strings"

// patterns is a trie of the subscriptions with a wildcard, by level. It is
// asked when a topic is born, never when a reading is published. Exact
// subscriptions are not in it: they hold their topic.
type patterns struct {
	root level
	n    int
}

type level struct {
	kids map[string]*level
	plus *level
	here []*Subscription // patterns that end at this level
	rest []*Subscription // patterns that end here with '#'
}

func (p *patterns) add(s *Subscription) {
	at := &p.root
	p.n++
	for word, more := range levels(s.pattern) {
		if word == "#" {
			s.at = int32(len(at.rest))
			at.rest = append(at.rest, s)
			return
		}
		next := at.plus
		if word != "+" {
			next = at.kids[word]
		}
		if next == nil {
			next = &level{}
			if word == "+" {
				at.plus = next
			} else {
				if at.kids == nil {
					at.kids = make(map[string]*level)
				}
				at.kids[word] = next
			}
		}
		at = next
		if !more {
			s.at = int32(len(at.here))
			at.here = append(at.here, s)
		}
	}
}

func (p *patterns) remove(s *Subscription) {
	p.n--
	p.root.remove(s, s.pattern)
}

// remove takes s out and reports whether nothing is left below l.
func (l *level) remove(s *Subscription, rest string) bool {
	word, tail, more := strings.Cut(rest, "/")
	switch {
	case word == "#":
		l.rest = takeOut(l.rest, s)
	case word == "+":
		if l.plus.step(s, tail, more) {
			l.plus = nil
		}
	default:
		if l.kids[word].step(s, tail, more) {
			delete(l.kids, word)
		}
	}
	return len(l.kids) == 0 && l.plus == nil && len(l.here) == 0 && len(l.rest) == 0
}

func (l *level) step(s *Subscription, rest string, more bool) bool {
	if more {
		return l.remove(s, rest)
	}
	l.here = takeOut(l.here, s)
	return len(l.kids) == 0 && l.plus == nil && len(l.here) == 0 && len(l.rest) == 0
}

func takeOut(list []*Subscription, s *Subscription) []*Subscription {
	n := len(list) - 1
	list[s.at] = list[n]
	list[s.at].at = s.at
	list[n] = nil
	return list[:n]
}

// match calls hit for every subscription whose pattern fits the topic.
func (p *patterns) match(topic string, hit func(*Subscription)) {
	if p.n > 0 {
		p.root.match(topic, topic[0] == '$', hit)
	}
}

func (l *level) match(rest string, reserved bool, hit func(*Subscription)) {
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

func (l *level) deeper(rest string, more bool, hit func(*Subscription)) {
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
