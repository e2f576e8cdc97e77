package dialect

import (
	"context"
	"net/http"

	"topicd/codec"
	"topicd/node"
)

// Plug is one dialect as the rest of the program sees it. Listeners, routes,
// guard, lists and help read all they know of dialects here, so a dialect is a
// folder and a line in cmd's list of plugs. A field that is zero says that the
// dialect has no such thing.
//
// Making a plug starts nothing and does not touch the hub: flags are checked
// against the names of the plugs before there is a hub.
type Plug struct {
	Name  string // of listeners, and of sessions in lists: "scd"
	Title string // for people: "SCD-TopicServer"

	// What tells that a WebSocket speaks it. Router says which comes first.
	Paths  []string                           // of the URL; one that ends in / stands for all below it
	Protos []string                           // subprotocols (RFC 6455 section 1.9), the preferred first
	Ticket string                             // a parameter of the URL that has a token of the dialect's own
	Sniff  func(text bool, first []byte) bool // whether the first message is the dialect's

	// Check refuses an arrival before its handshake; nil takes all.
	Check func(node.Arrival) *codec.Error
	// Open makes the dialect of one connection.
	Open func(node.Arrival) node.Dialect
	// Bare lets the dialect be spoken on a listener without HTTP: what Open makes
	// is a node.Splitter, which finds where a message ends, on a WebSocket too.
	Bare bool

	API  []Call   // what it adds to the hub's API
	HTTP *Service // the part of plain HTTP that it has for itself

	Run   func(context.Context) // runs beside the hub until the context ends
	Close func()                // called when everybody has left, before the hub is closed
}

// Call is one method of one path of the hub's API, such as GET /api/relay. Do
// answers it with the rights of the request's session; its error is answered
// for it.
type Call struct {
	Method, Path string
	Do           func(w http.ResponseWriter, r *http.Request, s *node.Session) *codec.Error
}

// Service is a part of plain HTTP that knows tokens of its own beside the hub's:
// the hub lets its requests through unjudged.
type Service struct {
	Below   string // "/v1": that path and all below it, and GET / of who asks for JSON
	Handler http.Handler
	Refuse  func(http.ResponseWriter, *codec.Error) // answers what does not get as far as Handler
	Closed  bool                                    // it answers nothing without a token, so it may be asked from any page
}

// Door judges who comes in by what it says of itself. It must not wait: a poll
// loop calls it.
type Door interface {
	// Admit gives the rights of a peer at addr that has the rights now. It may
	// change Dev and Name to what the peer may go by. A device that joins gets a
	// token.
	Admit(now node.Rights, addr string, c *node.Credentials) (rights node.Rights, token string, err *codec.Error)
}
