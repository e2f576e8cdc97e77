package dialect

import (
	"strings"

	"topicd/codec"
	"topicd/node"
)

// Relay gives each message to the others in its room. A room is the topic
// relay/<room>, its members are the sessions that read it, and who came and
// went is told to $sys/relay/<room>: all of it is the hub's.
type Relay struct {
	Hub *node.Hub
}

const (
	relayPrefix    = "relay/"
	relayLogPrefix = "$sys/relay/"
	maxRoom        = 64 // bytes of a room's name
)

// CheckRoom says whether a room can have that name: one level of a topic.
func CheckRoom(room string) *codec.Error {
	if room == "" || len(room) > maxRoom || strings.Contains(room, "/") {
		return codec.Errorf(codec.CodeMalformed, "a room's name is 1 to %d bytes without /", maxRoom)
	}
	return codec.CheckTopic([]byte(relayPrefix + room))
}

// New makes the dialect of one connection to a room whose name was checked. who
// is what the member calls itself, "" = nothing.
func (r *Relay) New(room, who string) node.Dialect {
	return &relayed{relay: r, room: room, who: who, topic: []byte(relayPrefix + room)}
}

// relayed is one member of a room.
type relayed struct {
	// static after construction
	relay *Relay
	room  string
	who   string
	topic []byte

	joined bool // owned by the peer's reader
}

// Open implements node.Dialect.
func (m *relayed) Open(p node.Peer, turn *node.Turn) {
	s := p.Session()
	s.Describe("relay", "", turn)
	h := m.relay.Hub
	err := s.MaySubscribe(m.topic)
	t := h.Find(m.topic)
	if err == nil && t == nil {
		t, err = s.Make(m.topic, passing(h), turn) // it ends with its last member
	}
	var done node.Subscribed
	if err == nil {
		done, err = s.Subscribe(m.topic, node.SubOptions{NotOwn: true, Format: relayFormat{}}, turn)
	}
	if err == nil && done.Topic != t { // its last member left meanwhile
		_, err = h.Make(m.topic, passing(h))
	}
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
func (m *relayed) note(p node.Peer, what string, turn *node.Turn) {
	i := p.Session().Info()
	b := append(make([]byte, 0, 128), `{"what":"`...)
	b = append(append(b, what...), `","url":`...)
	b = codec.AppendString(b, codec.JSON, i.URL)
	b = append(b, `,"addr":`...)
	b = codec.AppendString(b, codec.JSON, i.Addr)
	p.Session().Tell(relayLogPrefix+m.room, append(b, '}'), turn)
}

// Close implements node.Dialect.
func (m *relayed) Close(p node.Peer, turn *node.Turn) {
	if m.joined {
		m.note(p, "leave", turn)
	}
}

// Bye implements node.Dialect: the close frame says it.
func (m *relayed) Bye(node.Peer, *codec.Error, *node.Turn) {}

// Frame implements node.Dialect. There is no word for a refusal: who may not
// speak, or speaks too fast, is told so in the close frame.
func (m *relayed) Frame(p node.Peer, text bool, payload []byte, turn *node.Turn) {
	if !m.joined {
		return
	}
	s := p.Session()
	err := s.Spend(1, len(payload), turn.Mono)
	if err == nil {
		_, err = s.Publish(m.topic, relayBody(text, payload), 0, turn)
	}
	if err != nil {
		s.Sink().Cut(err)
	}
}

// relayBody is a message as a reading.
func relayBody(text bool, payload []byte) node.Body {
	if text {
		return textBody(payload)
	}
	return node.Body{Enc: codec.CBOR, Data: codec.AppendByteString(make([]byte, 0, len(payload)+9), payload)}
}

// textBody is a text as a reading: a string. In CBOR, where it needs no escapes:
// JSON within it would grow by a fifth, beyond the largest reading.
func textBody(text []byte) node.Body {
	return node.Body{Enc: codec.CBOR, Data: codec.AppendString(make([]byte, 0, len(text)+9), codec.CBOR, string(text))}
}

// relayFormat writes readings as members said them: a string as its text, bytes
// as bytes, and what other dialects publish to the room as JSON.
type relayFormat struct{ textual }

// Append implements node.Format.
func (relayFormat) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	if r.CBOR {
		if b, ok := codec.ByteString(r.Data); ok {
			r.Text = false
			return append(dst, b...), true
		}
	}
	return appendPlain(dst, r), true
}
