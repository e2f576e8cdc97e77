// Package webchannel is Qt's QWebChannel to pages and QML programs that use any
// qwebchannel.js from Qt 5.6 on. What a page hears are readings:
//
//	object        signal        is a reading of     method        publishes to
//	chatserver    newMessage    chat                sendMessage   chat
//	core, dialog  sendText      dialog              receiveText   dialog/received
//	topics        message       what it subscribed  publish       any topic
//
// written by a node.Format, so that native clients join both conversations.
// What is not a reading, who is logged in and which properties a page has yet to
// be told, is a small state that all connections share (server). Its timers
// are one goroutine, Run, that sleeps while no page is there.
//
// The order of locks is server.mu, then the peer's and the hub's. Nothing of
// the hub calls back into this package with a lock held.
package webchannel
