// Package mws is the Managed WebSocket of Qt Cloud Services: sockets that only
// listen, opened once with a URI from its REST, which also says what they hear.
// A message goes to sockets by their ids, by their tags, or to all ("*"), once
// to each.
//
// A tag is also the topic mws/tag/<tag>: what native peers publish there is read
// by the sockets that have the tag, and what REST sends to the tag is a reading
// there too. The REST publishes those as one session of its own, and the sockets
// leave that session's readings out: they get such a message itself, once,
// however many of its receivers fit.
//
//	mws.go, send.go, ticket.go   the sockets
//	rest.go, message.go          /v1: URIs, messages, sockets, the webhook
//	access.go, eds.go            who may ask: the hub, the administrator, or whom EDS knows
package mws

import (
	"cmp"
	"math"
	"net/url"
	"slices"
	"sync"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
)

// sockets are the open sockets of a hub, and the tickets for more.
type sockets struct {
	hub *node.Hub

	// guarded by mu, which is held over calls of the hub and of nothing else
	mu    sync.Mutex
	sess  *node.Session      // publishes; opened when it is first needed
	free  tickets            // of anybody: the oldest makes room for a new one
	made  tickets            // of the administrator: a new one is refused when they are too many
	live  map[string]*socket // open sockets by id
	tags  map[string][]*socket
	round uint64 // number of the message that is being sent: a socket that has got it has the same

	// say is held while one message is sent: every socket hears all of them in
	// one order. Taken before mu.
	say sync.Mutex

	// guarded by say
	out  outflow // to all sockets
	each outflow // to one of them at most
}

const (
	// tagPrefix stands before a tag's name in its topic.
	tagPrefix = "mws/tag/"

	// ticketLife is how long a socket may take to use its URI.
	ticketLife = 5 * time.Minute

	maxFree     = 2048 // unused URIs that anybody may ask for: one takes 250 bytes
	maxMade     = 512  // unused URIs with tags
	maxTags     = 32   // of a socket
	maxTagBytes = 1024 // of a socket, all together
	maxTagged   = 64   // tags that one message names
	maxSockets  = 1024 // sockets that one message names
)

// Config says who may use the Managed WebSocket of a hub.
type Config struct {
	Hub *node.Hub
	// Access: "none" asks the hub's own rights, "custom" the administrator's
	// token, "eds" that or a token that EDS knows.
	Access string
	EDS    EDSConfig
	// URL stands before /?token= in the URIs of sockets; "" = as the request
	// came: ws:// or, over TLS, wss:// and its Host.
	URL string
	// Admin tells whether the token is the administrator's, in a time that says
	// nothing of how much of it was right. nil: nobody is.
	Admin func(token string) bool
}

// Plug is the dialect for the hub's endpoints.
func Plug(cfg Config) dialect.Plug { return plug(cfg, newSockets(cfg.Hub)) }

func plug(cfg Config, s *sockets) dialect.Plug {
	return dialect.Plug{
		Name: "mws", Title: "Managed WebSocket", Paths: []string{"/mws"}, Ticket: ticketParam,
		Open: func(a node.Arrival) node.Dialect {
			v, _ := url.ParseQuery(a.Query)
			return &socket{m: s, id: v.Get(ticketParam)}
		},
		HTTP: &dialect.Service{
			Below: "/v1", Handler: newREST(cfg, s), Refuse: refuse, Closed: cfg.Access != "none",
		},
		Close: s.close,
	}
}

// ticketParam is the parameter of a socket's URI that has its token.
const ticketParam = "token"

func newSockets(h *node.Hub) *sockets {
	m := &sockets{hub: h, live: make(map[string]*socket), tags: make(map[string][]*socket)}
	m.free.max, m.made.max = maxFree, maxMade
	return m
}

// close ends the session that publishes.
func (m *sockets) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sess != nil {
		m.sess.Close(m.hub.Turn())
	}
}

// sessionLocked is the session that publishes what REST sends.
func (m *sockets) sessionLocked() (*node.Session, *codec.Error) {
	if m.sess != nil {
		return m.sess, nil
	}
	turn := m.hub.Turn()
	s, err := m.hub.Open(node.Deaf{}, node.Local, "/v1/messages", turn)
	if err != nil {
		return nil, err
	}
	s.KeepsNoTopics()
	s.Describe("mws", "text", turn)
	_ = s.Hello("", "mws", turn)
	turn.Wake()
	s.Heard(math.MaxInt64) // no connection that could go stale
	m.sess = s
	return s, nil
}

// ticket makes a URI's token, which is also the id of the socket that will use
// it. kept: it is not given up for tickets that anybody can ask for. The socket
// has the rights by, and ends with them; nil: it may read what its tags say.
func (m *sockets) ticket(tags []string, kept bool, by node.Rights) (id string, expires int64, err *codec.Error) {
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
	return t.id, turn.Wall + ticketLife.Milliseconds(), nil
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

// every calls yield for each open socket, the oldest first.
func (m *sockets) every(yield func(id string, since int64, tags []string)) {
	m.mu.Lock()
	list := make([]*socket, 0, len(m.live))
	for _, p := range m.live {
		list = append(list, p)
	}
	m.mu.Unlock()
	slices.SortFunc(list, func(a, b *socket) int { return cmp.Compare(a.peer.Session().ID(), b.peer.Session().ID()) })
	for _, p := range list {
		yield(p.id, p.since, p.tags)
	}
}

// find is one open socket.
func (m *sockets) find(id string) (since int64, tags []string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.live[id]
	if p == nil {
		return 0, nil, false
	}
	return p.since, p.tags, true
}

// remove closes the socket, or makes its unused URI worthless. false: there is
// neither.
func (m *sockets) remove(id string) bool {
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
func (m *sockets) takeLocked(id string) *ticket {
	now := m.hub.Mono()
	if t := m.free.take(id, now); t != nil {
		return t
	}
	return m.made.take(id, now)
}

// socket is one Managed WebSocket.
type socket struct {
	m  *sockets
	id string // its token; static

	// static from when it is in m.live
	tags  []string
	since int64 // milliseconds since 1970
	peer  node.Peer

	heard uint64 // the last message that it got, as sockets.round; guarded by m.mu
}

// Open implements node.Dialect. The handshake is done whatever the token is; a
// token that is not good closes with 1000, which the original's clients know.
func (p *socket) Open(peer node.Peer, turn *node.Turn) {
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
		if topic := tagTopic(tag); topic != "" {
			// Refused where the hub is full: REST reaches the socket all the same.
			_, _ = s.Subscribe([]byte(topic), node.SubOptions{Not: by, Format: format{}}, turn)
		}
	}
	m.mu.Lock()
	m.addLocked(p)
	m.mu.Unlock()
}

func (m *sockets) addLocked(p *socket) {
	m.live[p.id] = p
	for _, tag := range p.tags {
		m.tags[tag] = append(m.tags[tag], p)
	}
}

// Frame implements node.Dialect: what a socket says is for nobody.
func (p *socket) Frame(peer node.Peer, _ bool, payload []byte, turn *node.Turn) {
	if err := peer.Session().Spend(1, len(payload), turn.Mono); err != nil {
		peer.End(1008, err.Msg, turn)
	}
}

// Bye implements node.Dialect: a Managed WebSocket has no word for it.
func (p *socket) Bye(node.Peer, *codec.Error, *node.Turn) {}

// Close implements node.Dialect.
func (p *socket) Close(node.Peer, *node.Turn) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.m.dropLocked(p)
}

func (m *sockets) dropLocked(p *socket) {
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

// tagTopic is the topic of a tag, "" where the tag cannot name one.
func tagTopic(tag string) string {
	topic := tagPrefix + tag
	if len(topic) > codec.MaxTopic || codec.CheckTopic([]byte(topic)) != nil {
		return ""
	}
	return topic
}

// format writes readings to sockets: a text as it is, any other value as JSON.
type format struct{ dialect.Plain }

// Append implements node.Format.
func (format) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	return dialect.AppendPlain(dst, r), true
}
