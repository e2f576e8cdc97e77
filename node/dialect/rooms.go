package dialect

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"topicd/codec"
	"topicd/node"
)

// Room is what is known of one.
type Room struct {
	Name    string
	Members []Member
	Log     []Visit // oldest first
}

// Member is one connection to a room. Several may have the same URL.
type Member struct {
	URL, Addr string
	Since     int64 // milliseconds since 1970
}

// Visit is somebody who came or went.
type Visit struct {
	TS        int64  // milliseconds since 1970
	What, URL string // What is join or leave
}

// Rooms are the rooms that have members, or had some lately, by name.
func (r *Relay) Rooms() []Room {
	rooms := []Room{}
	for _, name := range r.names() {
		m := Room{Name: name, Members: r.members(name), Log: r.visits(name)}
		rooms = append(rooms, m)
	}
	return rooms
}

func (r *Relay) names() []string {
	var names []string
	for _, t := range r.Hub.Topics(relayPrefix + "+") {
		names = append(names, strings.TrimPrefix(t.Name(), relayPrefix))
	}
	for _, t := range r.Hub.Topics(relayLogPrefix + "+") {
		names = append(names, strings.TrimPrefix(t.Name(), relayLogPrefix))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *Relay) members(room string) []Member {
	list := []Member{}
	for _, s := range r.Hub.Listeners([]byte(relayPrefix+room), relayFormat{}) {
		i := s.Info()
		list = append(list, Member{i.URL, i.Addr, i.Since})
	}
	slices.SortFunc(list, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), strings.Compare(a.Addr, b.Addr))
	})
	return list
}

func (r *Relay) visits(room string) []Visit {
	log := []Visit{}
	t := r.Hub.Find([]byte(relayLogPrefix + room))
	if t == nil {
		return log
	}
	from, to := r.Hub.Span(t, 0, false, 0, r.Hub.Mono())
	var raw []byte
	r.Hub.Read(t, from, to, &raw, func(d *node.Reading) bool {
		v := Visit{TS: d.TS}
		if json.Unmarshal(d.Data, &v) == nil {
			log = append(log, v)
		}
		return true
	})
	return log
}

// Operator is the name that what Broadcast publishes comes from.
const Operator = "operator"

// Broadcast says a text to everybody in a room, "" = in every room, and returns
// to how many members.
func (r *Relay) Broadcast(room, text string) (members int, err *codec.Error) {
	topics := r.Hub.Topics(relayPrefix + "+")
	if room != "" {
		t := r.Hub.Find([]byte(relayPrefix + room))
		if t == nil {
			return 0, codec.Errorf(codec.CodeNotFound, "no room %q", room)
		}
		topics = []*node.Topic{t}
	}
	turn := r.Hub.Turn()
	s, err := r.Hub.Open(deaf{}, node.Local, "/api/broadcast", turn)
	if err != nil {
		return 0, err
	}
	defer turn.Wake()
	defer s.Close(turn)
	s.Describe("relay", "", turn)
	if err := s.Name(Operator, turn); err != nil {
		return 0, err
	}
	for _, t := range topics {
		n := len(r.Hub.Listeners([]byte(t.Name()), relayFormat{}))
		if _, err := s.Publish([]byte(t.Name()), textBody([]byte(text)), 0, turn); err != nil {
			return members, err
		}
		members += n
	}
	return members, nil
}

// deaf is the sink of a session that hears nothing.
type deaf struct{}

func (deaf) Wake()            {}
func (deaf) Cut(*codec.Error) {}
