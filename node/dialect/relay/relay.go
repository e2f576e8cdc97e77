// Package relay gives each message to the others in its room. A room is the
// topic relay/<room>, its members are the sessions that read it, and who came
// and went is told to $sys/relay/<room>: all of it is the hub's, and native
// clients can be in a room too.
package relay

import (
	"strings"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
)

const (
	prefix    = "relay/"
	logPrefix = "$sys/relay/"
	maxRoom   = 64 // bytes of a room's name
)

// Plug is the dialect for the hub's endpoints.
func Plug(h *node.Hub) dialect.Plug {
	r := &relay{h}
	return dialect.Plug{
		Name: "relay", Title: "relay", Paths: []string{"/relay/"},
		Check: func(a node.Arrival) *codec.Error {
			room, _ := roomOf(a)
			return checkRoom(room)
		},
		Open: func(a node.Arrival) node.Dialect {
			room, who := roomOf(a)
			if d, ok := a.Rights.(interface{ Device() string }); ok && d.Device() != "" {
				who = d.Device() // who comes with the token of a device is that device, whatever its path says
			}
			return &member{relay: r, room: room, who: who, topic: []byte(prefix + room)}
		},
		API: []dialect.Call{
			{Method: "GET", Path: "/api/relay", Do: r.serveRooms},
			{Method: "POST", Path: "/api/broadcast", Do: r.serveBroadcast},
		},
	}
}

// roomOf is the room that an arrival is for, and who its path says it is: "" is
// nobody. A listener of the relay's own is one room, named by its port.
func roomOf(a node.Arrival) (room, who string) {
	if a.Dialect != "" {
		return a.Port, strings.Trim(a.Path, "/")
	}
	room, who, _ = strings.Cut(strings.TrimPrefix(strings.TrimSuffix(a.Path, "/"), "/relay/"), "/")
	return room, who
}

// checkRoom says whether a room can have that name: one level of a topic.
func checkRoom(room string) *codec.Error {
	if room == "" || len(room) > maxRoom || strings.Contains(room, "/") {
		return codec.Errorf(codec.CodeMalformed, "a room's name is 1 to %d bytes without /", maxRoom)
	}
	return codec.CheckTopic([]byte(prefix + room))
}

// relay is the rooms of a hub.
type relay struct{ hub *node.Hub }

// member is one member of a room.
type member struct {
	// static after construction
	relay *relay
	room  string
	who   string
	topic []byte

	joined bool // owned by the peer's reader
}

// Open implements node.Dialect.
func (m *member) Open(p node.Peer, turn *node.Turn) {
	s := p.Session()
	s.Describe("relay", "", turn)
	room := dialect.Transient(m.relay.hub) // it ends with its last member
	_, err := s.Subscribe(m.topic, node.SubOptions{NotOwn: true, Format: format{}, New: &room}, turn)
	if err != nil {
		s.Sink().Cut(err)
		return
	}
	m.joined = true
	if !s.Info().Named {
		_ = s.Name(m.who, turn) // one that cannot be a name is told by the URL only
	}
	m.note(p, "join", turn)
}

// note tells of a member that comes or goes.
func (m *member) note(p node.Peer, what string, turn *node.Turn) {
	i := p.Session().Info()
	b := append(make([]byte, 0, 128), `{"what":"`...)
	b = append(append(b, what...), `","url":`...)
	b = codec.AppendString(b, codec.JSON, i.URL)
	b = append(b, `,"addr":`...)
	b = codec.AppendString(b, codec.JSON, i.Addr)
	p.Session().PublishOwn(logPrefix+m.room, append(b, '}'), turn)
}

// Close implements node.Dialect.
func (m *member) Close(p node.Peer, turn *node.Turn) {
	if m.joined {
		m.note(p, "leave", turn)
	}
}

// Bye implements node.Dialect: the close frame says it.
func (m *member) Bye(node.Peer, *codec.Error, *node.Turn) {}

// Frame implements node.Dialect. There is no word for a refusal: who may not
// speak, or speaks too fast, is told so in the close frame.
func (m *member) Frame(p node.Peer, text bool, payload []byte, turn *node.Turn) {
	if !m.joined {
		return
	}
	s := p.Session()
	err := s.Spend(1, len(payload), turn.Mono)
	if err == nil {
		_, err = s.Publish(m.topic, body(text, payload), 0, turn)
	}
	if err != nil {
		s.Sink().Cut(err)
	}
}

// body is a message as a reading.
func body(text bool, payload []byte) node.Body {
	if text {
		return dialect.TextBody(payload)
	}
	return node.Body{Enc: codec.CBOR, Data: codec.AppendByteString(make([]byte, 0, len(payload)+9), payload)}
}

// format writes readings as members said them: a string as its text, bytes
// as bytes, and what other dialects publish to the room as JSON.
type format struct{ dialect.Plain }

// Append implements node.Format.
func (format) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	if r.CBOR {
		if b, ok := codec.ByteString(r.Data); ok {
			r.Text = false
			return append(dst, b...), true
		}
	}
	return dialect.AppendPlain(dst, r), true
}
