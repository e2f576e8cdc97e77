package node

// slots are the subscriptions of a session, by slot. The first lies here: most
// dashboards and all sensors need no more.
type slots struct {
	first *Subscription
	more  *[]*Subscription // from slot 1 on; nil = none
}

func (l *slots) at(slot uint16) *Subscription {
	if slot == 0 {
		return l.first
	}
	return (*l.more)[slot-1]
}

// all yields those that are there.
func (l *slots) all(yield func(*Subscription) bool) {
	if l.first != nil && !yield(l.first) || l.more == nil {
		return
	}
	for _, b := range *l.more {
		if b != nil && !yield(b) {
			return
		}
	}
}

// free is a slot where nothing is, or nothing any more.
func (l *slots) free() uint16 {
	if l.first == nil || l.first.ended {
		return 0
	}
	if l.more == nil {
		return 1
	}
	for i, b := range *l.more {
		if b == nil || b.ended {
			return uint16(i + 1)
		}
	}
	return uint16(len(*l.more) + 1)
}

// put has b, nil for none, in a slot that at knows or free has told.
func (l *slots) put(slot uint16, b *Subscription) {
	switch {
	case slot == 0:
		l.first = b
	case l.more == nil:
		l.more = &[]*Subscription{b}
	case int(slot) > len(*l.more):
		*l.more = append(*l.more, b)
	default:
		(*l.more)[slot-1] = b
	}
}
