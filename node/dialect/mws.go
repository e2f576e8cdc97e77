package dialect

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"topicd/codec"
	"topicd/node"
)

// MWS is the Managed WebSocket of Qt Cloud Services: sockets that only listen,
// opened once with a URI from the REST (node/web), which also says what they
// hear. A message goes to sockets by their ids, by their tags, or to all ("*"),
// once to each.
//
// A tag is also the topic mws/tag/<tag>: what native peers publish there is
// read by the sockets that have the tag, and what REST sends to the tag is a
// reading there too. MWS publishes those as one session of its own, and the
// sockets leave that session's readings out: they get such a message itself,
// once, however many of its receivers fit.
type MWS struct {
	hub *node.Hub

	// guarded by mu; nothing is called with it held but the hub
	mu    sync.Mutex
	sess  *node.Session       // publishes; opened when it is first needed
	free  tickets             // of anybody: the oldest makes room for a new one
	made  tickets             // of the administrator: a new one is refused when they are too many
	live  map[string]*mwsPeer // open sockets by id
	tags  map[string][]*mwsPeer
	round uint64 // marks who got the message that is being sent

	// say is held while one message is sent: every socket hears all of them in
	// one order. Taken before mu.
	say sync.Mutex

	// guarded by say
	out  outflow // to all sockets
	each outflow // to one of them at most
}

const (
	// MWSTopic stands before a tag's name in its topic.
	MWSTopic = "mws/tag/"

	// mwsLife is how long a socket may take to use its URI.
	mwsLife = 5 * time.Minute

	maxFree     = 2048 // unused URIs that anybody may ask for: one takes 250 bytes
	maxMade     = 512  // unused URIs with tags
	maxTags     = 32   // of a socket
	maxTagBytes = 1024 // of a socket, all together
	maxTagged   = 64   // tags that one message names
	maxSockets  = 1024 // sockets that one message names
)

// NewMWS makes the Managed WebSocket of a hub.
func NewMWS(h *node.Hub) *MWS {
	m := &MWS{hub: h, live: make(map[string]*mwsPeer), tags: make(map[string][]*mwsPeer)}
	m.free.max, m.made.max = maxFree, maxMade
	return m
}

// Close ends the session that publishes.
func (m *MWS) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sess != nil {
		m.sess.Close(m.hub.Turn())
	}
}

// sessionLocked is the session that publishes what REST sends.
func (m *MWS) sessionLocked() (*node.Session, *codec.Error) {
	if m.sess != nil {
		return m.sess, nil
	}
	turn := m.hub.Turn()
	s, err := m.hub.Open(deaf{}, node.Local, "/v1/messages", turn)
	if err != nil {
		return nil, err
	}
	s.Passing()
	s.Describe("mws", "text", turn)
	_ = s.Hello("", "mws", turn)
	turn.Wake()
	s.Heard(math.MaxInt64) // no connection that could go stale
	m.sess = s
	return s, nil
}

// Connect makes the dialect of a connection that came with that token.
func (m *MWS) Connect(token string) node.Dialect { return &mwsPeer{m: m, id: token} }

// Ticket makes a URI's token, which is also the id of the socket that will use
// it. kept: it is not given up for tickets that anybody can ask for. The socket
// has the rights by, and ends with them; nil: it may read what its tags say.
func (m *MWS) Ticket(tags []string, kept bool, by node.Rights) (id string, expires int64, err *codec.Error) {
	tags, err = cleanTags(tags)
	if err != nil {
		return "", 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.sessionLocked(); err != nil {
		return "", 0, err
	}
	list := &m.free
	if kept {
		list = &m.made
	}
	turn := m.hub.Turn()
	t, err := list.add(tags, by, turn.Mono, !kept)
	if err != nil {
		return "", 0, err
	}
	return t.id, turn.Wall + mwsLife.Milliseconds(), nil
}

// cleanTags is a copy of tags, each once, within the limits.
func cleanTags(tags []string) ([]string, *codec.Error) {
	out := make([]string, 0, len(tags))
	n := 0
	for _, t := range tags {
		if !slices.Contains(out, t) {
			out = append(out, t)
			n += len(t)
		}
		if len(out) > maxTags || n > maxTagBytes {
			return nil, codec.Errorf(codec.CodeTooLarge, "a socket has at most %d tags of %d bytes together", maxTags, maxTagBytes)
		}
	}
	return out, nil
}

// Sockets calls yield for each open socket, the oldest first.
func (m *MWS) Sockets(yield func(id string, since int64, tags []string)) {
	m.mu.Lock()
	list := make([]*mwsPeer, 0, len(m.live))
	for _, p := range m.live {
		list = append(list, p)
	}
	m.mu.Unlock()
	slices.SortFunc(list, func(a, b *mwsPeer) int { return cmp.Compare(a.peer.Session().ID(), b.peer.Session().ID()) })
	for _, p := range list {
		yield(p.id, p.since, p.tags)
	}
}

// Socket is one open socket.
func (m *MWS) Socket(id string) (since int64, tags []string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.live[id]
	if p == nil {
		return 0, nil, false
	}
	return p.since, p.tags, true
}

// Remove closes the socket, or makes its unused URI worthless. false: there is
// neither.
func (m *MWS) Remove(id string) bool {
	m.mu.Lock()
	p := m.live[id]
	m.dropLocked(p) // its connection may take a while to end
	t := m.takeLocked(id)
	m.mu.Unlock()
	if p == nil {
		return t != nil
	}
	turn := m.hub.Turn()
	p.peer.End(1000, "", turn)
	turn.Wake()
	return true
}

// takeLocked uses a ticket up.
func (m *MWS) takeLocked(id string) *ticket {
	now := m.hub.Mono()
	if t := m.free.take(id, now); t != nil {
		return t
	}
	return m.made.take(id, now)
}

// mwsPeer is one Managed WebSocket.
type mwsPeer struct {
	m  *MWS
	id string // its token; static

	// static from when it is in m.live
	tags  []string
	since int64 // milliseconds since 1970
	peer  node.Peer

	heard uint64 // the last message that it got, as MWS.round; guarded by m.mu
}

// Open implements node.Dialect. The handshake is done whatever the token is; a
// token that is not good closes with 1000, which the original's clients know.
func (p *mwsPeer) Open(peer node.Peer, turn *node.Turn) {
	m := p.m
	p.peer, p.since = peer, turn.Wall
	m.mu.Lock()
	t := m.takeLocked(p.id)
	var by uint32
	if t != nil {
		by, p.tags = m.sess.ID(), t.tags
	}
	m.mu.Unlock()
	if t == nil || t.by != nil && t.by.MaySubscribe([]byte("mws/#")) != nil { // the token behind it has ended
		m.hub.Stats.Add(node.RefusedForbidden, 1)
		peer.End(1000, "", turn)
		return
	}
	s := peer.Session()
	s.SetRights(t.by) // the URI is the right: who gave it may read mws/
	s.Describe("mws", "text", turn)
	for _, tag := range p.tags {
		if topic := MWSTagTopic(tag); topic != "" {
			// Refused where the hub is full: REST reaches the socket all the same.
			_, _ = s.Subscribe([]byte(topic), node.SubOptions{Not: by, Format: mwsFormat{}}, turn)
		}
	}
	m.mu.Lock()
	m.addLocked(p)
	m.mu.Unlock()
}

func (m *MWS) addLocked(p *mwsPeer) {
	m.live[p.id] = p
	for _, tag := range p.tags {
		m.tags[tag] = append(m.tags[tag], p)
	}
}

// Frame implements node.Dialect: what a socket says is for nobody.
func (p *mwsPeer) Frame(peer node.Peer, _ bool, payload []byte, turn *node.Turn) {
	if err := peer.Session().Spend(1, len(payload), turn.Mono); err != nil {
		peer.End(1008, err.Msg, turn)
	}
}

// Bye implements node.Dialect: a Managed WebSocket has no word for it.
func (p *mwsPeer) Bye(node.Peer, *codec.Error, *node.Turn) {}

// Close implements node.Dialect.
func (p *mwsPeer) Close(node.Peer, *node.Turn) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.m.dropLocked(p)
}

func (m *MWS) dropLocked(p *mwsPeer) {
	if p == nil || m.live[p.id] != p {
		return
	}
	delete(m.live, p.id)
	for _, tag := range p.tags {
		list := m.tags[tag]
		i := slices.Index(list, p)
		list[i] = list[len(list)-1]
		list[len(list)-1] = nil
		if m.tags[tag] = list[:len(list)-1]; len(list) == 1 {
			delete(m.tags, tag)
		}
	}
}

// MWSTagTopic is the topic of a tag, "" where the tag cannot name one.
func MWSTagTopic(tag string) string {
	topic := MWSTopic + tag
	if len(topic) > codec.MaxTopic || codec.CheckTopic([]byte(topic)) != nil {
		return ""
	}
	return topic
}

// mwsFormat writes readings to sockets: a text as it is, any other value as JSON.
type mwsFormat struct{ textual }

// Append implements node.Format.
func (mwsFormat) Append(dst []byte, r *node.Reading) ([]byte, bool) { return appendPlain(dst, r), true }
