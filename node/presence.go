package node

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"topicd/codec"
)

// Presence is readings: $sys/presence/<client> holds who is there. A peer that
// named itself is always shown; the nameless, of whom there may be thousands,
// only while somebody may be watching.

// reservedPattern: might the pattern hear of presence?
func reservedPattern(p string) bool { return strings.HasPrefix(p, "$sys/") }

// Hello names the peer. dev is a device's own id: readings carry it, and with
// it the device's numbers are recognised after a reconnect; name is what a
// person would call the client. Called by the peer's reader only.
func (s *Session) Hello(dev, name string, turn *Turn) *codec.Error {
	return s.rename(dev, name, true, turn)
}

// Name gives the peer a name that its dialect has for it: readings carry it, but
// like the nameless it is shown only while somebody may be watching. A peer that
// comes, says one thing and goes, again and again, leaves no topic each time.
// Called by the peer's reader only.
func (s *Session) Name(name string, turn *Turn) *codec.Error {
	return s.rename("", name, false, turn)
}

func (s *Session) rename(dev, name string, show bool, turn *Turn) *codec.Error {
	client := dev
	if client == "" {
		client = name
	}
	if client == "" {
		return nil
	}
	if err := codec.CheckTopic([]byte(client)); err != nil || len(client) > maxClient || strings.Contains(client, "/") || client[0] == '$' {
		return codec.Errorf(codec.CodeMalformed, "dev and name are 1 to %d bytes without / + # or control characters", maxClient)
	}
	h := s.hub
	if s.addr() != Local && slices.Contains(h.opt.Reserved, client) {
		return s.counted(&codec.Error{Code: codec.CodeForbidden, Msg: "the name " + client + " is the hub's own: choose another"})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s.mu.Lock()
	old, shown := s.clientLocked(), s.shown
	if s.named && client != old {
		s.Charge(renameCharge)
	}
	if client != old && h.byName.get(&h.topics, presencePrefix+client) == nil {
		if err := s.mayMake(ownCost, turn.Mono); err != nil {
			s.mu.Unlock()
			return err
		}
	}
	if shown {
		h.renamedLocked(old, client)
	}
	s.name, s.named = client, true
	if dev != "" {
		x := s.extraLocked()
		x.window.release(turn.Mono)
		x.window = h.windowLocked(dev)
	}
	s.mu.Unlock()
	if shown && old != client && h.named[old] == 0 {
		h.presenceLocked(s, old, "offline", turn)
	}
	if show || shown || h.watched > 0 {
		h.showLocked(s, turn)
	}
	return nil
}

const maxClient = 64

// renamedLocked counts the connections that are shown by a name.
func (h *Hub) renamedLocked(from, to string) {
	if h.named[from]--; h.named[from] <= 0 {
		delete(h.named, from)
	}
	if to != "" {
		h.named[to]++
	}
}

// Describe notes what the peer speaks, once that is known.
func (s *Session) Describe(dialect, enc string, turn *Turn) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	said := speech{dialect, enc}
	known := *h.speeches.Load()
	i := slices.Index(known, said)
	if i < 0 && len(known) <= math.MaxUint8 {
		i = len(known)
		known = append(slices.Clone(known), said)
		h.speeches.Store(&known)
	}
	s.mu.Lock()
	s.speech = uint8(max(i, 0))
	s.mu.Unlock()
	if h.watched > 0 {
		h.showLocked(s, turn)
	}
}

// OneRequest says that the session is one HTTP request, over in a moment: lists of
// clients show it, but its presence would be a topic for each request.
func (s *Session) OneRequest() {
	s.mu.Lock()
	s.speech = oneRequest
	s.mu.Unlock()
}

// Nothing was said yet, and oneRequest.
var firstSpeeches = []speech{{}, {dialect: "http"}} // never written

const oneRequest = 1

// showLocked publishes that the session is there.
func (h *Hub) showLocked(s *Session, turn *Turn) {
	s.mu.Lock()
	client, state, closed := s.clientLocked(), s.stateLocked(), s.closed || s.away
	if !s.shown && !closed {
		s.shown = true
		h.renamedLocked("", client)
	}
	s.mu.Unlock()
	if !closed {
		h.presenceLocked(s, client, state, turn)
	}
}

// clientLocked is the peer's own name or the one the hub gives it.
func (s *Session) clientLocked() string {
	if s.named {
		return s.name
	}
	return NameFor(s.id)
}

// ShowAll makes everybody's presence readable, the nameless included, where the
// pattern may ask for it.
func (h *Hub) ShowAll(pattern string, turn *Turn) {
	if !reservedPattern(pattern) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.showAllLocked(pattern, turn)
}

// showAllLocked is ShowAll for who holds mu.
func (h *Hub) showAllLocked(pattern string, turn *Turn) {
	if !reservedPattern(pattern) {
		return
	}
	for s := range h.sessions.All {
		s.mu.Lock()
		shown := s.shown || s.speech == oneRequest
		s.mu.Unlock()
		if !shown {
			h.showLocked(s, turn)
		}
	}
}

// offlineLocked publishes that the session is gone.
func (h *Hub) offlineLocked(s *Session, turn *Turn) {
	s.mu.Lock()
	client, shown := s.clientLocked(), s.shown
	if shown {
		h.renamedLocked(client, "")
	}
	if s.ext != nil {
		s.ext.window.release(turn.Mono)
	}
	s.mu.Unlock()
	// Else the device has come back on another connection meanwhile.
	if shown && h.named[client] == 0 {
		h.presenceLocked(s, client, "offline", turn)
	}
}

// Away says that the session's peer has gone and may come back: presence says that it
// is offline, lists too, and it has no name until somebody gives it one again, which
// Back comes before.
func (s *Session) Away(turn *Turn) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.offlineLocked(s, turn)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away, s.shown, s.named = true, false, false // the name stays: of a will that waits
	s.dropLeftoverLocked()
	if s.ext != nil {
		s.unsayLocked() // what they answer is sent again, and who comes back hears something else first
		s.ext.window = nil
	}
}

// Back says that the peer of a session that was away is there again. Called by the
// peer's reader.
func (s *Session) Back(turn *Turn) {
	s.mu.Lock()
	s.away, s.stale, s.cut = false, false, false
	s.mu.Unlock()
	s.budget.fill(&s.hub.opt, turn.Mono) // as any newcomer's: what a restart has asked in its name is nobody's debt
	s.heard.Store(turn.Mono)
}

func (h *Hub) presenceLocked(s *Session, client, state string, turn *Turn) {
	b := append(make([]byte, 0, 128), `{"client":`...)
	b = codec.AppendString(b, codec.JSON, client)
	b = append(append(b, `,"state":"`...), state...)
	b = append(b, `","addr":`...)
	b = codec.AppendString(b, codec.JSON, s.addr())
	b = append(b, `,"dialect":`...)
	s.mu.Lock()
	dialect := s.speechLocked().dialect
	s.mu.Unlock()
	b = codec.AppendString(b, codec.JSON, dialect)
	b = append(b, '}')
	h.publishOwnLocked(presencePrefix+client, b, turn)
}

// staleLocked marks sessions that were not heard of for long. A client that is heard of
// on another connection is not stale: it may have lost the one before without a word.
func (h *Hub) staleLocked(turn *Turn) {
	limit := h.opt.Stale.Milliseconds()
	var changed []*Session
	var twice map[string]bool // names that become stale and are others' too: is one of these heard of
	for s := range h.sessions.All {
		stale := turn.Mono-s.heard.Load() > limit
		s.mu.Lock()
		if s.stale != stale && s.shown {
			changed = append(changed, s)
			if name := s.clientLocked(); stale && h.named[name] > 1 {
				if twice == nil {
					twice = make(map[string]bool)
				}
				twice[name] = false
			}
		}
		s.stale = stale
		s.mu.Unlock()
	}
	if len(twice) > 0 {
		for s := range h.sessions.All {
			s.mu.Lock()
			if _, asked := twice[s.name]; asked && s.shown && !s.stale {
				twice[s.name] = true
			}
			s.mu.Unlock()
		}
	}
	for _, s := range changed {
		s.mu.Lock()
		heard := s.stale && twice[s.clientLocked()]
		s.mu.Unlock()
		if !heard {
			h.showLocked(s, turn)
		}
	}
}

func (h *Hub) forgetDevicesLocked(now int64) {
	for dev, w := range h.devices {
		if w.held == 0 && now-w.used.Load() > windowKeep.Milliseconds() {
			delete(h.devices, dev)
		}
	}
}

// windowLocked is the window of a device, held for one more session. When there
// are too many the one that is unused for longest goes; when each is in use the
// device gets none, which is counted, and the dialect can tell (Session.Dedupes).
func (h *Hub) windowLocked(dev string) *window {
	w := h.devices[dev]
	if w == nil {
		if len(h.devices) >= maxWindows && !h.forgetOldestLocked() {
			h.Stats.Add(RefusedWindows, 1)
			return nil
		}
		w = new(window)
		h.devices[dev] = w
	}
	w.held++
	return w
}

func (h *Hub) forgetOldestLocked() bool {
	oldest, at := "", int64(0)
	for dev, w := range h.devices {
		if used := w.used.Load(); w.held == 0 && (oldest == "" || used < at) {
			oldest, at = dev, used
		}
	}
	delete(h.devices, oldest)
	return oldest != ""
}

// release: one session less holds the window. From now on it is kept a while. The
// caller holds the hub's mu.
func (w *window) release(now int64) {
	if w != nil {
		w.held--
		w.used.Store(max(now, w.used.Load()))
	}
}

// Dedupes reports whether numbers that the device sends again are recognised.
// Called by the peer's reader only.
func (s *Session) Dedupes() bool { return s.ext != nil && s.ext.window != nil }

// NameFor is the name the hub gives to a peer that did not name itself.
func NameFor(id uint32) string { return "c" + strconv.FormatUint(uint64(id), 10) }
