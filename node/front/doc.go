// Package front stands between the network and the hub: addresses to serve on,
// TLS, how often somebody may come, and who may come in at all. Everything that
// is inside may rely on it, and knows a peer only by what the front hands on: its
// rights, and where it came in.
//
//	             bind          turnstile            TLS           heads            guard
//	network ──► endpoint ──► connections of ──► certificate ──► 100 fields, ──► Host, requests a second, ──► Inside.Handler
//	                         the address        handshakes      5 s             token, Origin                 (WebSocket, HTTP)
//	                                            are charged ──────────────────► rights of the address ─────► Inside.Bare
//	                                                                                                          (MQTT over TCP)
//
// # Who is there, and what each may not do
//
// A neighbour on the LAN. In the mode lan it may all but administer; in token and
// join it needs a token. It guesses 20 times a minute, and gets so many
// connections and requests a second as its address may have; others hear nothing
// of it. It reads what goes over plain TCP: TLS with a pinned certificate is
// against that.
//
// A host with a /64 of IPv6 has 2^64 addresses. A network counts as one peer,
// unless it is one of this machine's own, which neighbours share.
//
// A page in the browser of a neighbour. It has the neighbour's address, and his
// trust in mode lan. So whatever changes something, and every socket, must come
// from the hub's own origin or one that --origin names; Host must be a name of
// the hub's, or a page whose name is made to point here (DNS rebinding) would be
// of its origin. A page may send GETs blindly: tokens in them that are wrong are
// counted for pages apart, so that no page locks its reader out.
//
// A stranger behind a reverse proxy on this machine. Who says forwarded has no
// address that could be trusted: without a token it is nobody. One behind a proxy
// that only hands TCP on says nothing, and has the proxy's address: such a hub is
// to be started with --access=token.
//
// Whoever connects and says little, or nothing: a head must be there in 5 s, a handshake too,
// and be small; a connection at rest is closed after 30 s; one whose peer confirms
// nothing ends by the kernel after 70 s. A connection costs its place until whoever
// has it says Leave.
//
// # What it does not do
//
// Rights are judged inside, by the session, from what access.Gate says here or at
// a hello. Limits on frames and readings are the link's and the hub's. Nobody here
// knows a topic. A dialect that judges tokens of its own is let through with the
// rights of its address (Inside.Own), its failures count as guesses all the same.
//
// # Locks
//
// Front.mu, peers.mu and links.mu are never held together, nor over I/O but for
// closing a listener.
package front
