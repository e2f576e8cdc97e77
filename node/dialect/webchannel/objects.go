package webchannel

import (
	"strconv"

	"topicd/codec"
)

// object is one published object as init describes it. The first indices are
// those of every QObject.
type object struct {
	name     string
	methods  []method
	property property // besides objectName; none where it has no name
	signals  []signal
}

type method struct {
	index     int
	name      string
	signature string
	params    int
}

type signal struct {
	index     int
	name      string
	signature string
}

type property struct {
	name   string
	notify int
}

// The objects, in the order in which Qt writes them. The indices of chatserver
// and core are those of Qt's own examples.
var objects = []object{chatserver, dialogAs("core"), dialogAs("dialog"), topics}

var chatserver = object{
	name: "chatserver",
	methods: []method{
		{login, "login", "login(QString)", 1},
		{logout, "logout", "logout(QString)", 1},
		{sendMessage, "sendMessage", "sendMessage(QString,QString)", 2},
		{keepAliveResponse, "keepAliveResponse", "keepAliveResponse(QString)", 1},
	},
	property: property{"userList", userListChanged},
	signals: []signal{
		{newMessage, "newMessage", "newMessage(QString,QString,QString)"},
		{keepAlive, "keepAlive", "keepAlive()"},
		{userCountChanged, "userCountChanged", "userCountChanged()"},
	},
}

const (
	deleteLater       = 3
	newMessage        = 5
	keepAlive         = 6
	userListChanged   = 7
	userCountChanged  = 8
	login             = 11
	logout            = 12
	sendMessage       = 13
	keepAliveResponse = 14
)

// dialogAs is the dialog's object: core since Qt 5.5, dialog before.
func dialogAs(name string) object {
	return object{
		name:    name,
		methods: []method{{receiveText, "receiveText", "receiveText(QString)", 1}},
		signals: []signal{{sendText, "sendText", "sendText(QString)"}},
	}
}

const (
	sendText    = 5
	receiveText = 6
)

var topics = object{
	name: "topics",
	methods: []method{
		{publish, "publish", "publish(QString,QJsonValue)", 2},
		{subscribe, "subscribe", "subscribe(QString)", 1},
		{subscribeWith, "subscribe", "subscribe(QString,QJsonObject)", 2},
		{unsubscribe, "unsubscribe", "unsubscribe(QString)", 1},
		{get, "get", "get(QString)", 1},
		{getWith, "get", "get(QString,QJsonObject)", 2},
		{list, "list", "list()", 0},
		{listMatch, "list", "list(QString)", 1},
	},
	property: property{"topicList", topicListChanged},
	signals:  []signal{{topicMessage, "message", "message(QString,QJsonValue,qulonglong,qlonglong)"}},
}

const (
	topicMessage     = 5
	topicListChanged = 6
	publish          = 7
	subscribe        = 8
	subscribeWith    = 9
	unsubscribe      = 10
	get              = 11
	getWith          = 12
	list             = 13
	listMatch        = 14
)

// find is the object of that name, nil if there is none.
func find(name string) *object {
	for i := range objects {
		if objects[i].name == name {
			return &objects[i]
		}
	}
	return nil
}

// pick is the method that a call means and its arguments; nil: there is none,
// and the call fails. A name, and the number that versions before 5.14 send in
// its place, mean the overload that takes as many arguments; by number or
// signature more are ignored.
func (o *object) pick(selector []byte, args [][]byte) (*method, [][]byte) {
	if len(selector) == 0 {
		return nil, nil
	}
	name, index := "", -1
	if selector[0] == '"' {
		name = text(selector)
	} else if n, err := strconv.Atoi(string(selector)); err == nil {
		index = n
	}
	var called *method
	for i := range o.methods {
		if m := &o.methods[i]; m.index == index || m.signature == name {
			called = m
		}
	}
	for i := range o.methods {
		m := &o.methods[i]
		if m.params == len(args) && (m.name == name || index >= 0 && called != nil && m.name == called.name) {
			return m, args
		}
	}
	if called == nil || called.params > len(args) {
		return nil, nil
	}
	return called, args[:called.params]
}

// appendObject describes the object. value is that of its own property.
func appendObject(b []byte, o *object, value []byte) []byte {
	b = codec.AppendString(b, codec.JSON, o.name)
	b = append(b, `:{"methods":[["deleteLater",3],["deleteLater()",3]`...)
	last := ""
	for i := range o.methods {
		m := &o.methods[i]
		if m.name != last { // overloads share the name
			b = appendNamed(append(b, ','), m.name, m.index)
		}
		b = appendNamed(append(b, ','), m.signature, m.index)
		last = m.name
	}
	b = append(b, `],"properties":[[0,"objectName",[1,2],""]`...)
	if p := o.property; p.name != "" {
		b = codec.AppendString(append(b, `,[1,`...), codec.JSON, p.name)
		b = strconv.AppendInt(append(b, `,[1,`...), int64(p.notify), 10)
		b = append(append(append(b, `],`...), value...), ']')
	}
	b = append(b, `],"signals":[["destroyed",0],["destroyed(QObject*)",0],["destroyed()",1]`...)
	for _, s := range o.signals {
		b = appendNamed(append(b, ','), s.name, s.index)
		b = appendNamed(append(b, ','), s.signature, s.index)
	}
	return append(b, `]}`...)
}

func appendNamed(b []byte, name string, index int) []byte {
	b = codec.AppendString(append(b, '['), codec.JSON, name)
	return append(strconv.AppendInt(append(b, ','), int64(index), 10), ']')
}

// appendUpdate is the new value of an object's own property, with its notify
// signal, as an element of a property update.
func appendUpdate(b []byte, o *object, value []byte) []byte {
	b = append(append(b, `{"object":"`...), o.name...)
	b = append(append(b, `","properties":{"1":`...), value...)
	b = strconv.AppendInt(append(b, `},"signals":{"`...), int64(o.property.notify), 10)
	return append(b, `":[]}}`...)
}
