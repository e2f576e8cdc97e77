package webchannel

import (
	"bytes"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
)

// page is one connection: a page in a browser, a QML program, Node.js.
type page struct {
	srv  *server   // static after construction
	peer node.Peer // static after Open

	// owned by the peer's reader
	subs   []sub       // what it subscribed to through topics
	wants  uint8       // signals of chat and dialog that it is connected to
	tuned  [2]uint8    // signals that the readings of each special topic are written as; 0 = it is not subscribed to by name
	commit node.Commit // of what the call under way has published

	// guarded by srv.mu
	known   bool // it has asked for init
	idle    bool // it can take another property update
	dirty   uint8
	signals uint8 // signals without readings that it is connected to
	uses    uint8 // objects it has used
	names   uint8 // users logged in
}

// Signals that are not readings.
const (
	onKeepAlive = 1 << iota
	onUserCount
)

// Objects that a page has used.
const (
	usesTopics = 1 << iota
	usesOthers
)

// Open implements node.Dialect.
func (p *page) Open(peer node.Peer, turn *node.Turn) {
	p.peer = peer
	peer.Session().Describe("webchannel", "json", turn)
}

// Bye implements node.Dialect. The protocol has no word for it.
func (p *page) Bye(node.Peer, *codec.Error, *node.Turn) {}

// Close implements node.Dialect.
func (p *page) Close(_ node.Peer, turn *node.Turn) {
	s := p.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pages, p)
	s.leaveLocked(p, turn)
	if len(s.pages) == 0 {
		s.list = topicNames{json: nobody}
	}
}

// Frame implements node.Dialect. Whatever is not understood gets no answer, as
// with Qt; it is counted.
func (p *page) Frame(_ node.Peer, text bool, payload []byte, turn *node.Turn) {
	sess := p.peer.Session()
	slow := sess.Spend(1, len(payload), turn.Mono)
	m, ok := parse(payload)
	if slow != nil && m.Type != typeInvoke && sess.Overdrawn(1, len(payload), turn.Mono) {
		p.peer.End(1013, "too many messages", turn) // there is no answer that could say so
		return
	}
	if !ok || !text {
		p.srv.hub.Stats.Add(node.RefusedMalformed, 1)
		if slow != nil { // malformed frames come faster than good ones may
			p.peer.End(1008, slow.Msg, turn)
		}
		return
	}
	switch m.Type {
	case typeInit:
		if len(m.ID) > 0 && slow == nil { // qwebchannel.js of Qt 5.4 sends no id and expects another answer
			p.init(m.ID, turn)
		}
	case typeIdle:
		p.srv.mu.Lock()
		p.idle = true
		if p.srv.flushAt == 0 {
			p.updateLocked(turn)
		}
		p.srv.mu.Unlock()
	case typeInvoke:
		p.invoke(&m, slow, turn)
	case typeConnect, typeDisconnect:
		if slow == nil {
			p.connect(m.Object, m.Signal, m.Type == typeConnect, turn)
		}
	case typeDebug, typeSetProperty: // there is no property that a page may set
	}
}

// init describes all objects. From now on the page is told of its properties,
// as soon as it says that it is idle.
func (p *page) init(id []byte, turn *node.Turn) {
	s := p.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	p.known, p.idle = true, false
	s.pages[p] = struct{}{}
	s.lookLocked()
	b := []byte{'{'}
	for i := range objects {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendObject(b, &objects[i], p.valueLocked(&objects[i]))
	}
	p.dirty = 0
	p.peer.Session().Charge(len(b)/initCost + p.judgedLocked()/dialect.TopicsPerRequest)
	p.peer.Send(true, appendResponse(nil, id, append(b, '}')), turn)
}

// initCost is how many bytes of a description cost as much as a request.
const initCost = 1 << 10

// valueLocked is the value of the object's own property for this page.
func (p *page) valueLocked(o *object) []byte {
	s := p.srv
	r := p.peer.Session().Rights()
	switch {
	case o.property.name == "topicList" && r != nil:
		return appendNames(nil, s.list.names, r)
	case o.property.name == "topicList":
		return s.list.json
	case r != nil && !r.MayRead(chatTopic): // who may not hear the chat need not know who is there
		return nobody
	}
	return s.chat.json
}

// updateLocked tells the page of changed properties, unless it has not yet
// worked through the last update. It then gets the newest values, however
// often they have changed. It returns what that costs, in bytes.
func (p *page) updateLocked(turn *node.Turn) int {
	if p.dirty == 0 || !p.idle {
		return 0
	}
	b := []byte(`{"data":[`)
	if p.dirty&propUsers != 0 {
		b = appendUpdate(b, &chatserver, p.valueLocked(&chatserver))
	}
	if p.dirty&propTopics != 0 {
		if p.dirty&propUsers != 0 {
			b = append(b, ',')
		}
		b = appendUpdate(b, &topics, p.valueLocked(&topics))
	}
	b = append(b, `],"type":2}`...)
	cost := len(b)
	if p.dirty&propTopics != 0 {
		cost += p.judgedLocked() * judgeCost
	}
	p.dirty, p.idle = 0, false
	p.peer.Send(true, b, turn)
	return cost
}

// judgedLocked is how many names the page's rights are asked about when
// topicList is sent to it.
func (p *page) judgedLocked() int {
	if p.peer.Session().Rights() == nil {
		return 0
	}
	return len(p.srv.list.names)
}

// judgeCost: to ask the rights about one name takes as long as to send so many bytes.
const judgeCost = 8

// caresLocked tells whether topicList matters to the page. The protocol does
// not say who reads a property; a page that only chats does not.
func (p *page) caresLocked() bool { return p.uses != usesOthers }

// used notes that the page has used the object.
func (p *page) used(object string) {
	bit := uint8(usesOthers)
	if object == topics.name {
		bit = usesTopics
	}
	s := p.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.uses&bit != 0 {
		return
	}
	began := p.known && !p.caresLocked()
	if p.uses |= bit; began && p.caresLocked() { // it was not told of changes so far
		p.dirty |= propTopics
		s.atLocked(&s.flushAt, flushAfter)
		s.lookLocked()
	}
}

// connect notes that the page wants to hear a signal, or no longer.
func (p *page) connect(object string, signal int, on bool, turn *node.Turn) {
	if find(object) == nil {
		p.srv.hub.Stats.Add(node.RefusedMalformed, 1)
		return
	}
	p.used(object)
	heard, other := uint8(0), uint8(0)
	switch {
	case object == "chatserver" && signal == newMessage:
		heard = toChat
	case object == "chatserver" && signal == keepAlive:
		other = onKeepAlive
	case object == "chatserver" && signal == userCountChanged:
		other = onUserCount
	case object == "core" && signal == sendText:
		heard = toCore
	case object == "dialog" && signal == sendText:
		heard = toDialog
	}
	s := p.srv
	s.mu.Lock()
	if p.signals &^= other; on {
		p.signals |= other
	}
	if p.signals&onKeepAlive != 0 {
		s.atLocked(&s.aliveAt, aliveEvery)
	}
	s.mu.Unlock()
	if p.wants &^= heard; on {
		p.wants |= heard
	}
	p.tune(turn)
}

// invoke calls a method and answers, exactly once.
func (p *page) invoke(m *message, slow *codec.Error, turn *node.Turn) {
	o := find(m.Object)
	if o == nil || len(m.ID) == 0 {
		p.srv.hub.Stats.Add(node.RefusedMalformed, 1)
		return
	}
	p.used(o.name)
	value := failed
	args, ok := m.args()
	p.commit = 0
	if method, args := o.pick(m.Method, args); ok && method != nil {
		value = p.call(o, method.index, args, slow, turn)
	}
	b := appendResponse(nil, m.ID, value)
	if p.commit == 0 {
		p.peer.Send(true, b, turn) // an id says whose it is: it need not keep its order
		return
	}
	id := bytes.Clone(m.ID)
	dialect.Reply(p.peer, true, b, p.commit, func(why *codec.Error) []byte { return appendResponse(nil, id, o.unstored(why)) }, turn)
}

// unstored is what a method of the object returns when the disk did not take what it
// has published.
func (o *object) unstored(why *codec.Error) []byte {
	switch o.name {
	case topics.name:
		return failure(why)
	case chatserver.name:
		return isFalse
	}
	return failed
}

func (p *page) call(o *object, method int, args [][]byte, slow *codec.Error, turn *node.Turn) []byte {
	switch {
	case o.name == topics.name && slow != nil:
		return failure(slow)
	case o.name == topics.name:
		return p.topics(method, args, turn)
	case slow != nil:
		return failed
	case o.name == chatserver.name:
		return p.chat(method, args, turn)
	}
	_, err := p.publish(receivedTopic, codec.AppendString(nil, codec.JSON, text(args[0])), turn)
	if err != nil {
		return failed
	}
	return null
}

// publish is Session.Publish of a JSON value. The answer waits until it is on disk.
func (p *page) publish(topic string, data []byte, turn *node.Turn) (node.Published, *codec.Error) {
	done, err := p.peer.Session().Publish([]byte(topic), node.Body{Enc: codec.JSON, Data: data}, 0, turn)
	if err == nil {
		p.commit, err = done.Commit, done.Unkept
	}
	return done, err
}
