// Package mdns is the wire side of discovery: bytes in, bytes out. It opens no
// socket, starts no goroutine and reads no clock, so every rule of it is tested
// with made-up packets and a made-up time.
//
// A [Responder] answers for one interface. It knows eleven record sets at most
// (two services with PTR, SRV, TXT and their type's PTR; the host's A, AAAA and
// NSEC), and everything it has to send is a mark "due at" on one of them. That
// is what bounds it: whatever arrives, there is nothing to queue and nothing to
// grow.
//
//	packet ─► Handle ─► unicast reply, within a budget of bytes and per source
//	                └─► marks: set 3 is due in 80 ms
//	clock ──► Due ────► one multicast packet with the sets whose time has come
//
// Rules, with the clause that gives them:
//
//   - A set is multicast at most once a second (RFC 6762 section 6); an answer
//     asked for earlier waits for that second instead of being dropped.
//     Defending a name against a probe may be done every 250 ms.
//   - A query whose source port is not 5353 gets a unicast reply with its id and
//     question and a TTL of at most 10 s (section 6.7).
//   - Names compare without regard to ASCII case (section 16).
//   - Only sources on the link are answered (section 11): inside a prefix of the
//     interface, or link-local.
//   - A name is probed before use (section 8.1), with the tie-break of 8.2, and
//     given up when another host answers for it (section 9).
//   - A record of ours heard with a wrong TTL (a forged goodbye, a lifetime over
//     ours) is announced again (sections 6.6 and 10.1).
//
// A [Collector] is the asking side: it gathers replies to one-shot queries into
// at most a fixed number of services.
package mdns
