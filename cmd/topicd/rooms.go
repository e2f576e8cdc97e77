package main

import (
	"topicd/codec"
	"topicd/node/dialect"
	"topicd/node/web"
)

// rooms shows the relay to node/web.
type rooms struct{ relay *dialect.Relay }

// Rooms implements web.Relay.
func (r rooms) Rooms() []web.Room {
	list := []web.Room{}
	for _, d := range r.relay.Rooms() {
		room := web.Room{Room: d.Name, Members: []web.Member{}, Log: []web.Event{}}
		for _, m := range d.Members {
			room.Members = append(room.Members, web.Member(m))
		}
		for _, v := range d.Log {
			room.Log = append(room.Log, web.Event(v))
		}
		list = append(list, room)
	}
	return list
}

// Broadcast implements web.Relay.
func (r rooms) Broadcast(room, text string) (int, *codec.Error) {
	return r.relay.Broadcast(room, text)
}
