package node

import "topicd/codec"

// Peer is what a dialect sees of its socket.
type Peer interface {
	// Session is the peer's session.
	Session() *Session
	// Send queues one message behind what the session has to read. The payload
	// is copied. A peer that never reads its answers is cut.
	Send(text bool, payload []byte, turn *Turn)
	// End says goodbye with an RFC 6455 close code, once what was sent before
	// is written. Nothing more is read.
	End(code int, reason string, turn *Turn)
	// SetPace sets the milliseconds between writes while busy; negative = the
	// transport's default.
	SetPace(ms int)
	// SetSilence sets the milliseconds without a sign of life after which the
	// peer is dead; 0 = the transport's default, negative = never.
	SetSilence(ms int)
	// Adopt has the peer go on with another session, which outlives connections: its
	// sink is not the connection's and has to pass on what it is told. When Adopt
	// returns nobody reads from the session before, which its caller closes, as it
	// closes this one some day; the transport closes the one that it has in the end.
	// No other connection may have the session. Called by the peer's reader, or with
	// it held up.
	Adopt(s *Session)
	// Again has a Splitter handed the packet that it is handling once more in some
	// 20 ms, when others have had their turn, and what follows it only after it. Called
	// in Frame.
	Again()
	// Speak hands the connection over to another dialect.
	Speak(d Dialect)
}

// Dialect is what is spoken on a socket. A transport calls it from one
// goroutine at a time per peer, except Bye.
type Dialect interface {
	// Open is called once, when the handshake is done.
	Open(p Peer, turn *Turn)
	// Frame handles one whole message, and charges its peer for it
	// (Session.Spend): each dialect knows how to say that it was too much. The payload is the dialect's until it
	// returns, and valid UTF-8 if it is text.
	Frame(p Peer, text bool, payload []byte, turn *Turn)
	// Bye tells the peer why it is about to be cut. It may come at any time.
	Bye(p Peer, why *codec.Error, turn *Turn)
	// Close is called once, when the peer is gone, before its session ends.
	Close(p Peer, turn *Turn)
}

// Splitter is a Dialect whose protocol frames itself. The transport takes what
// comes, on a bare connection or as the payload of binary messages, for one
// stream of bytes and hands Frame one packet of it at a time.
type Splitter interface {
	Dialect
	// Split is the length of the packet that in begins with; 0 until all of it
	// has come. One of more than most bytes is to be refused as soon as its
	// length is known. An error ends the connection; Bye is called with it.
	Split(in []byte, most int) (n int, err *codec.Error)
}

// Attend makes sure that the transport fills the session soon: it has queued
// something of its own.
func (s *Session) Attend(turn *Turn) {
	s.mu.Lock()
	if !s.closed {
		s.queueLocked(turn)
	}
	s.mu.Unlock()
}

// Mute holds readings back, until Unmute: what the peer is to hear before those of its
// new subscriptions is said in between. Called by the peer's reader only, as is Unmute.
func (s *Session) Mute() {
	s.mu.Lock()
	s.mute = true
	s.mu.Unlock()
}

// Unmute has readings go on.
func (s *Session) Unmute(turn *Turn) {
	s.mu.Lock()
	s.mute = false
	s.mu.Unlock()
	s.Attend(turn)
}

// Credentials are what a peer says of itself to be let in; "" says nothing.
type Credentials struct {
	Dev   string // a device's own id
	Name  string // what a person would call the client
	Token string
}

// Arrival is how a connection came, by an upgrade of HTTP or from a bare
// listener: what a dialect is chosen by, and all that it learns of the outside.
type Arrival struct {
	Addr     string // of the peer, host:port
	Port     string // of the listener
	Dialect  string // that the listener is given to; "" = the path tells
	Path     string // of the request; "" from a bare listener
	Query    string // of the request, as it came
	Protocol string // the subprotocol that was agreed (RFC 6455 1.9)
	Rights   Rights // nil = everything
}
