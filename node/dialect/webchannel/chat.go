package webchannel

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
)

// The topics of the conversations.
const (
	chatTopic     = "chat"            // readings {"user","text"}
	dialogTopic   = "dialog"          // what the operator says to every page
	receivedTopic = "dialog/received" // what pages say to the operator
)

// chat is who is logged in. Guarded by the server's mu.
type chat struct {
	users map[string]*user
	json  []byte // the property userList: names in order
}

var nobody = []byte("[]")

// user is a name, bound to the connection that logged in with it.
type user struct {
	page   *page
	listed bool // false: it missed a keep-alive; it may come back while nobody else takes the name
	alive  bool // it has answered the last keep-alive
}

const (
	maxUsers     = 500 // of all connections together
	maxPageUsers = 32  // of one connection
	maxName      = 64  // bytes
)

// chat calls a method of chatserver.
func (p *page) chat(method int, args [][]byte, turn *node.Turn) []byte {
	name := text(args[0])
	switch method {
	case login:
		return boolean(p.login(name, turn))
	case logout:
		return boolean(p.logout(name, turn))
	case sendMessage:
		return boolean(p.say(name, text(args[1]), turn))
	}
	p.srv.mu.Lock()
	if u := p.srv.chat.users[name]; u != nil && u.page == p {
		u.alive = true
	}
	p.srv.mu.Unlock()
	return null
}

// login lists the name, unless somebody else is listed with it.
func (p *page) login(name string, turn *node.Turn) bool {
	if strings.TrimSpace(name) == "" || len(name) > maxName || p.peer.Session().MayPublish([]byte(chatTopic)) != nil {
		return false
	}
	s := p.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.chat
	u := c.users[name]
	switch {
	case u != nil && u.listed:
		return false
	case u == nil || u.page != p:
		if p.names >= maxPageUsers || u == nil && (len(c.users) >= maxUsers || len(c.json)+len(name) > listedBytes) {
			return false
		}
		if u != nil {
			u.page.names--
		}
		p.names++
	}
	c.users[name] = &user{page: p, listed: true, alive: true} // to log in shows that it is there, as an answer to keepAlive would
	p.countedLocked(turn)
	s.atLocked(&s.aliveAt, aliveEvery)
	return true
}

// logout takes the connection's own name off the list.
func (p *page) logout(name string, turn *node.Turn) bool {
	s := p.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.chat.users[name]
	if u == nil || u.page != p {
		return false
	}
	delete(s.chat.users, name)
	p.names--
	if !u.listed {
		return false
	}
	p.countedLocked(turn)
	return true
}

// countedLocked tells all pages that somebody has logged in or out on this one,
// which pays for it: one that did so on and on kept a thousand pages and a
// processor busy.
func (p *page) countedLocked(turn *node.Turn) {
	s := p.srv
	p.peer.Session().Charge((len(s.pages) + len(s.chat.users)) / dialect.TopicsPerRequest)
	s.usersLocked()
	s.emitLocked(onUserCount, chatserver.name, userCountChanged, turn)
}

// leaveLocked takes a connection that is gone off the list.
func (s *server) leaveLocked(p *page, turn *node.Turn) {
	if p.names == 0 {
		return
	}
	for name, u := range s.chat.users {
		if u.page == p {
			delete(s.chat.users, name)
		}
	}
	p.names = 0
	s.usersLocked()
	s.emitLocked(onUserCount, chatserver.name, userCountChanged, turn)
}

// say publishes a message of a user who is logged in on this connection.
func (p *page) say(name, said string, turn *node.Turn) bool {
	p.srv.mu.Lock()
	u := p.srv.chat.users[name]
	mine := u != nil && u.page == p && u.listed
	p.srv.mu.Unlock()
	if !mine {
		return false
	}
	b := codec.AppendString([]byte(`{"user":`), codec.JSON, name)
	b = codec.AppendString(append(b, `,"text":`...), codec.JSON, said)
	_, err := p.publish(chatTopic, append(b, '}'), turn)
	return err == nil
}

// askLocked asks everybody whether they are still there.
func (s *server) askLocked(turn *node.Turn) {
	waiting := len(s.chat.users) > 0
	for p := range s.pages {
		waiting = waiting || p.signals&onKeepAlive != 0
	}
	if !waiting {
		return
	}
	for _, u := range s.chat.users {
		u.alive = false
	}
	s.emitLocked(onKeepAlive, chatserver.name, keepAlive, turn)
	s.atLocked(&s.checkAt, checkAfter)
	s.atLocked(&s.aliveAt, aliveEvery)
}

// dropSilentLocked lists exactly those who have answered.
func (s *server) dropSilentLocked() {
	for _, u := range s.chat.users {
		u.listed = u.alive
	}
	s.usersLocked()
}

// usersLocked makes the list of users anew and tells the pages if it differs.
func (s *server) usersLocked() {
	names := make([]string, 0, len(s.chat.users))
	for name, u := range s.chat.users {
		if u.listed {
			names = append(names, name)
		}
	}
	sort.Slice(names, func(i, j int) bool { return compare(names[i], names[j]) < 0 })
	b := []byte{'['}
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = codec.AppendString(b, codec.JSON, name)
	}
	b = append(b, ']')
	if !slices.Equal(b, s.chat.json) {
		s.chat.json = b
		s.changedLocked(propUsers)
	}
}

// compare orders as QString does, by UTF-16 code units: what needs two of them
// stands before U+E000.
func compare(a, b string) int {
	for len(a) > 0 && len(b) > 0 {
		r, n := utf8.DecodeRuneInString(a)
		q, m := utf8.DecodeRuneInString(b)
		if r != q {
			if (r > 0xffff) != (q > 0xffff) && min(r, q) >= 0xe000 {
				return cmp.Compare(q, r)
			}
			return cmp.Compare(r, q)
		}
		a, b = a[n:], b[m:]
	}
	return cmp.Compare(len(a), len(b))
}

// whose is the name that a message is shown under: the one that it claims. Where
// somebody else is logged in with that name, the sender's own stands behind it in
// brackets. Native clients may use any name that nobody is logged in with.
func (s *server) whose(claimed, from string, origin uint32) string {
	s.mu.Lock()
	u := s.chat.users[claimed]
	theirs := u != nil && u.listed && u.page.peer.Session().ID() != origin
	s.mu.Unlock()
	if theirs {
		return claimed + " (" + from + ")"
	}
	return claimed
}
