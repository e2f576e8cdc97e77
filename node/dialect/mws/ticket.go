package mws

import (
	"container/list"
	"crypto/rand"
	"encoding/hex"

	"topicd/codec"
	"topicd/node"
)

// ticket is a URI that was not used yet.
type ticket struct {
	id   string // 32 random bytes in hex
	tags []string
	by   node.Rights
	made int64 // milliseconds of the hub's clock
}

// tickets are at most max of them, the oldest first: all live equally long.
// The zero value with max is ready.
type tickets struct {
	max  int
	byID map[string]*list.Element
	old  list.List
}

// add makes a ticket. When there are too many the oldest goes, or a new one is
// refused.
func (l *tickets) add(tags []string, by node.Rights, now int64, replace bool) (*ticket, *codec.Error) {
	for e := l.old.Front(); e != nil && l.old.Front().Value.(*ticket).expired(now); e = l.old.Front() {
		l.remove(e)
	}
	if l.old.Len() >= l.max {
		if !replace {
			return nil, &codec.Error{Code: codec.CodeNoRoom, Msg: "too many socket URIs wait to be used", Retry: 60_000}
		}
		l.remove(l.old.Front())
	}
	if l.byID == nil {
		l.byID = make(map[string]*list.Element)
	}
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand
	t := &ticket{id: hex.EncodeToString(b[:]), tags: tags, by: by, made: now}
	l.byID[t.id] = l.old.PushBack(t)
	return t, nil
}

// take uses a ticket up: nil if there is none, or it is too old.
func (l *tickets) take(id string, now int64) *ticket {
	e := l.byID[id]
	if e == nil {
		return nil
	}
	t := l.remove(e)
	if t.expired(now) {
		return nil
	}
	return t
}

func (l *tickets) remove(e *list.Element) *ticket {
	t := l.old.Remove(e).(*ticket)
	delete(l.byID, t.id)
	return t
}

func (t *ticket) expired(now int64) bool { return now >= t.made+ticketLife.Milliseconds() }
