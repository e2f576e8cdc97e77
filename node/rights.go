package node

import (
	"context"

	"topicd/codec"
)

// Rights say what a session may do. A refusal is a *codec.Error that tells the
// peer why (401 where a token would help, 403 where this one does not); nil is
// yes. Rights are asked from many goroutines, never per reading: when a session
// publishes to another topic than before, subscribes, reads, makes or deletes.
type Rights interface {
	MayPublish(topic []byte) *codec.Error     // to it, and make it by that
	MaySubscribe(pattern []byte) *codec.Error // to all that fits, and read it
	MayManage(topic []byte) *codec.Error      // make, change, delete it
	MayAdmin() *codec.Error                   // cut clients, open listeners, tokens, broadcast
	MayRead(topic string) bool                // is it shown in lists
	MayList() *codec.Error                    // is there anything that lists might show
}

// SetRights says what the session may do from now on; sessions that were not
// told may do everything. Called by the peer's reader only.
func (s *Session) SetRights(r Rights) {
	s.mu.Lock()
	s.rights = r
	s.mu.Unlock()
	s.last = nil
}

// Rights are what SetRights was given last.
func (s *Session) Rights() Rights {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rights
}

// MayPublish asks the session's rights and counts a refusal, as do its
// sisters. Called by the peer's reader only.
func (s *Session) MayPublish(topic []byte) *codec.Error {
	if codec.IsReserved(topic) {
		return s.counted(errReserved)
	}
	if s.rights == nil {
		return nil
	}
	return s.counted(s.rights.MayPublish(topic))
}

// MaySubscribe asks whether the session may read all that fits the pattern.
func (s *Session) MaySubscribe(pattern []byte) *codec.Error {
	if s.rights == nil {
		return nil
	}
	return s.counted(s.rights.MaySubscribe(pattern))
}

// MayManage asks whether the session may make, change and delete the topic.
func (s *Session) MayManage(topic []byte) *codec.Error {
	if codec.IsReserved(topic) {
		return s.counted(errReserved)
	}
	if s.rights == nil {
		return nil
	}
	return s.counted(s.rights.MayManage(topic))
}

// Make is Hub.Make for what the peer asks, whoever's right it was: a topic that
// is not there yet, which born tells, is charged to the session and its address.
// The caller has asked for the right before, so that who may nothing uses up
// nobody's allowance. Called by the peer's reader only.
func (s *Session) Make(name []byte, o MakeOptions, turn *Turn) (t *Topic, born bool, err *codec.Error) {
	if err := codec.CheckTopic(name); err != nil {
		return nil, false, err
	}
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	t, born, err = s.topicLocked(string(name), !codec.IsReserved(name), turn.Mono)
	if err == nil && (born || !o.New) {
		err = h.declareLocked(t, &o)
	}
	return t, born, err
}

// topicLocked finds the topic, or makes it at the session's cost where it may.
func (s *Session) topicLocked(name string, may bool, mono int64) (t *Topic, born bool, err *codec.Error) {
	if t := s.hub.byName.get(&s.hub.topics, name); t != nil {
		return t, false, nil
	}
	if !may {
		return nil, false, s.counted(errReserved)
	}
	if err := s.mayMake(1, mono); err != nil {
		return nil, false, err
	}
	t, err = s.hub.topicLocked(name)
	return t, err == nil, err
}

// MayAdmin asks whether the session may do what concerns everybody.
func (s *Session) MayAdmin() *codec.Error {
	if s.rights == nil {
		return nil
	}
	return s.counted(s.rights.MayAdmin())
}

// MayList asks whether the session may read anything: who may not is told so, and
// does not get an empty list, which would say that nothing is there.
func (s *Session) MayList() *codec.Error {
	if s.rights == nil {
		return nil
	}
	return s.counted(s.rights.MayList())
}

// MayRead tells whether lists show the topic to the session.
func (s *Session) MayRead(topic string) bool { return s.rights == nil || s.rights.MayRead(topic) }

func (s *Session) counted(err *codec.Error) *codec.Error {
	switch {
	case err == nil:
	case err.Code == codec.CodeUnauthorized:
		s.hub.Stats.Add(RefusedNoToken, 1)
	default:
		s.hub.Stats.Add(RefusedForbidden, 1)
	}
	return err
}

type rightsKey struct{}

// WithRights hands rights on to whoever opens a session for a request.
func WithRights(ctx context.Context, r Rights) context.Context {
	return context.WithValue(ctx, rightsKey{}, r)
}

// RightsOf are the rights that WithRights put in the context; nil is all of them.
func RightsOf(ctx context.Context) Rights {
	r, _ := ctx.Value(rightsKey{}).(Rights)
	return r
}

// Local is the address of sessions that the hub has for itself.
const Local = "local"

// Cut ends the session of that number: its peer is told why. false: there is
// none, or nothing to be cut: it is the hub's own, which has no peer, or one request.
func (h *Hub) Cut(id uint32, why *codec.Error) bool {
	h.mu.RLock()
	s := h.sessionLocked(id)
	h.mu.RUnlock()
	if s == nil || s.addr() == Local || s.sink == (Deaf{}) {
		return false
	}
	s.sink.Cut(why)
	return true
}

// CutWhere ends every session whose rights fit, and returns how many connections end
// with them: those that do already are not counted again, requests end by themselves,
// and who is away has none.
func (h *Hub) CutWhere(fits func(Rights) bool, why *codec.Error) (n int) {
	h.mu.RLock()
	var found []*Session
	for s := range h.sessions.All {
		if r := s.Rights(); r != nil && fits(r) {
			found = append(found, s)
		}
	}
	h.mu.RUnlock()
	for _, s := range found {
		s.mu.Lock()
		if !s.cut && !s.closed && !s.away && s.sink != (Deaf{}) {
			n++
		}
		s.cut = true
		s.mu.Unlock()
		s.sink.Cut(why)
	}
	return n
}
