package relay

import (
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strings"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/web/answer"
)

// room is what is known of one. Its lists are never nil: JSON has no null there.
type room struct {
	Room    string   `json:"room"`
	Members []guest  `json:"members"`
	Log     []change `json:"log"` // oldest first
}

// guest is one connection to a room. Several may have the same URL.
type guest struct {
	URL   string `json:"url"`
	Addr  string `json:"addr"`
	Since int64  `json:"since"` // milliseconds since 1970
}

// change is somebody who came or went.
type change struct {
	TS   int64  `json:"ts"`   // milliseconds since 1970
	What string `json:"what"` // join or leave
	URL  string `json:"url"`
}

// serveRooms lists the rooms: GET /api/relay.
func (r *relay) serveRooms(w http.ResponseWriter, _ *http.Request, s *node.Session) *codec.Error {
	if err := s.MayAdmin(); err != nil {
		return err
	}
	answer.JSON(w, http.StatusOK, map[string]any{"rooms": r.rooms()})
	return nil
}

// serveBroadcast says something to the rooms: POST /api/broadcast {room,text}.
func (r *relay) serveBroadcast(w http.ResponseWriter, q *http.Request, s *node.Session) *codec.Error {
	if err := s.MayAdmin(); err != nil {
		return err
	}
	var ask struct {
		Room string
		Text *string
	}
	if err := answer.Decode(w, q, &ask); err != nil {
		return err
	}
	if ask.Text == nil {
		return codec.Errorf(codec.CodeMalformed, "text is missing")
	}
	n, err := r.broadcast(ask.Room, *ask.Text, q.Context().Done())
	if err != nil {
		return err
	}
	answer.JSON(w, http.StatusOK, map[string]int{"sent": n})
	return nil
}

// rooms are the rooms that have members, or had some lately, by name.
func (r *relay) rooms() []room {
	list := []room{}
	for _, name := range r.names() {
		list = append(list, room{name, r.guests(name), r.changes(name)})
	}
	return list
}

func (r *relay) names() []string {
	var names []string
	for _, t := range r.hub.Topics(prefix + "+") {
		names = append(names, strings.TrimPrefix(t.Name(), prefix))
	}
	for _, t := range r.hub.Topics(logPrefix + "+") {
		names = append(names, strings.TrimPrefix(t.Name(), logPrefix))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *relay) guests(room string) []guest {
	list := []guest{}
	for _, s := range r.hub.Listeners([]byte(prefix+room), format{}) {
		i := s.Info()
		list = append(list, guest{i.URL, i.Addr, i.Since})
	}
	sort.Slice(list, func(i, j int) bool {
		a, b := &list[i], &list[j]
		return a.Since < b.Since || a.Since == b.Since && a.Addr < b.Addr
	})
	return list
}

func (r *relay) changes(room string) []change {
	log := []change{}
	t := r.hub.Find([]byte(logPrefix + room))
	if t == nil {
		return log
	}
	from, to := r.hub.Span(t, 0, false, 0, r.hub.Mono())
	var raw []byte
	r.hub.Read(t, from, to, &raw, func(d *node.Reading) bool {
		v := change{TS: d.TS}
		if json.Unmarshal(d.Data, &v) == nil {
			log = append(log, v)
		}
		return true
	})
	return log
}

// operator is the name that what broadcast publishes comes from.
const operator = "operator"

// broadcast says a text to everybody in a room, "" = in every room, and returns
// to how many members, once rooms that are durable have it on disk. gone ends that.
func (r *relay) broadcast(room, text string, gone <-chan struct{}) (members int, unkept *codec.Error) {
	topics := r.hub.Topics(prefix + "+")
	if room != "" {
		t := r.hub.Find([]byte(prefix + room))
		if t == nil {
			return 0, codec.Errorf(codec.CodeNotFound, "no room %q", room)
		}
		topics = []*node.Topic{t}
	}
	turn := r.hub.Turn()
	s, err := r.hub.Open(node.Deaf{}, node.Local, "/api/broadcast", turn)
	if err != nil {
		return 0, err
	}
	defer turn.Wake()
	defer s.Close(turn)
	s.Describe("relay", "", turn)
	if err := s.Name(operator, turn); err != nil {
		return 0, err
	}
	var last node.Commit
	for _, t := range topics {
		n := len(r.hub.Listeners([]byte(t.Name()), format{}))
		done, err := s.Publish([]byte(t.Name()), dialect.TextBody([]byte(text)), 0, turn)
		if err != nil {
			return members, err
		}
		if done.Unkept != nil {
			unkept = done.Unkept
		}
		last = max(last, done.Commit)
		members += n
	}
	turn.Wake()
	if unkept == nil {
		unkept = r.hub.Await(last, gone)
	}
	return members, unkept
}
