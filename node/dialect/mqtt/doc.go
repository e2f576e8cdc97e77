// Package mqtt speaks MQTT 3.1, 3.1.1 and 5 on the hub's topics: no broker beside
// the hub, but another way to say the same.
//
//	PUBLISH ──► packet.Publish ──► node.Body ──► Session.Publish      payload.go says what a payload is to others
//	reading ──► feed ──► PUBLISH                                      QoS, identifiers, aliases, properties of one client
//	            plainFormat                                           QoS 0 and nothing else: encoded once for all
//
// # Clients
//
// A client is what MQTT calls a session. Its subscriptions are a node.Session's.
// Where it outlives its connection it has a session of its own, which a connection
// adopts (node.Peer.Adopt) and gives back: away, it costs eight bytes for each
// topic that it has not read, and no reading is copied for it.
//
// QoS 1 and 2 to a client are a window of (identifier, topic, number): at most 128
// and what the client's receive maximum says. What is sent again is read again from
// the topic; what has gone from it meanwhile is a counted loss. QoS 2 from a client
// is the set of identifiers that are not released.
//
// # Order
//
// A connection writes readings before answers. So what a client must hear before
// readings goes into its box, which is a task of the session: CONNACK, SUBACK,
// what is sent again.
//
// # Locks
//
// conn.mu → Server.mu → share.mu → the hub's → client.mu. Nothing of the hub is
// called with client.mu held.
package mqtt
