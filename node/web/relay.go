package web

import (
	"net/http"

	"topicd/codec"
)

// Relay is the rooms whose members hear each other.
type Relay interface {
	Rooms() []Room
	// Broadcast sends a text to the members of a room, "" = of all, and
	// returns to how many.
	Broadcast(room, text string) (int, *codec.Error)
}

// Room is one of the relay's rooms. Its lists are not nil: JSON has no null there.
type Room struct {
	Room    string   `json:"room"`
	Members []Member `json:"members"`
	Log     []Event  `json:"log"` // who came and went, oldest first
}

// Member is somebody in a room.
type Member struct {
	URL   string `json:"url"`
	Addr  string `json:"addr"`
	Since int64  `json:"since"` // milliseconds since 1970
}

// Event is a member that came or went.
type Event struct {
	TS   int64  `json:"ts"`   // milliseconds since 1970
	What string `json:"what"` // join or leave
	URL  string `json:"url"`
}

// serveRelay lists the rooms: GET /api/relay.
func (s *server) serveRelay(w http.ResponseWriter, r *http.Request) {
	s.administer(w, r, func() *codec.Error {
		rooms := []Room{}
		if s.Relay != nil {
			rooms = s.Relay.Rooms()
		}
		writeJSON(w, http.StatusOK, map[string]any{"rooms": rooms})
		return nil
	})
}

// serveBroadcast says something to the rooms: POST /api/broadcast {room,text}.
func (s *server) serveBroadcast(w http.ResponseWriter, r *http.Request) {
	s.administer(w, r, func() *codec.Error {
		var ask struct {
			Room string
			Text *string
		}
		if err := s.request(w, r, &ask); err != nil {
			return err
		}
		if s.Relay == nil {
			return codec.Errorf(codec.CodeNotFound, "this hub has no rooms")
		}
		if ask.Text == nil {
			return codec.Errorf(codec.CodeMalformed, "text is missing")
		}
		n, err := s.Relay.Broadcast(ask.Room, *ask.Text)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, map[string]int{"sent": n})
		return nil
	})
}
