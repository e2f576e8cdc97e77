// Package discovery makes a hub found on the local network, keeps it found, and
// finds hubs: multicast DNS (RFC 6762) with service discovery (RFC 6763).
//
// # The idea
//
// A hub is on a network, not on a machine: the unit is the link, one for each
// interface, which lives from the interface's appearance to its end. A
// supervisor looks at the interfaces every half second, starts and ends links
// and tells them their addresses. Nothing is fatal, nothing is given up.
//
//	supervisor ── look, 2 Hz ──► link eth0: socket ► probe ► register ► serve ► goodbye
//	                        └──► link wlan0: …              │          │
//	                                                zeroconf┘          └responder
//
// # Who does what
//
// github.com/grandcat/zeroconf registers: it announces _topicd._tcp,
// _http._tcp and _mqtt._tcp with their addresses, twice, and withdraws them with a goodbye.
// It browses too, over IPv4.
//
// Our responder (internal/mdns), on the same port, does all that zeroconf does
// not, or not as the RFC has it:
//
//   - It answers every question. zeroconf answers each of 3,000 queries with a
//     packet of its own; the responder multicasts a record once a second
//     (RFC 6762 section 6). zeroconf knows the names in one spelling and never
//     the host's A and AAAA, answers plain DNS clients to the group where they
//     do not listen (6.7), and answers sources outside of the network (11).
//   - It probes names before they are used, breaks ties, defends them, and
//     renames on a conflict: "hub (2)", "gw-2.local" (8, 9).
//   - It announces a change of address, and again 3 s and 7 s after a start, for
//     sensors that sleep.
//   - It repeats what somebody else has withdrawn or given a wrong lifetime.
//
// zeroconf is kept from answering by the form of the names it is given, not by
// touching its sockets: see mutedDomain in zeroconf.go. Its lifetime of 3200 s
// is lowered to 120 s, see setTTL: a hub that was killed is forgotten in 2
// minutes.
//
// On a board with Avahi (Raspberry Pi OS) the host name is Avahi's. The
// responder hears that while it probes, and then answers for the host only when
// nobody has within 250 ms, or to a plain DNS client, whose answers cannot be
// overheard and for whom two equal answers do no harm.
//
// A [Browse] asks from a port of its own and gets unicast replies with
// everything in them, over IPv4 and IPv6, and with the interface that a
// link-local address needs; zeroconf's resolver adds what only multicasts.
//
// # Rules
//
//   - Nothing is said on loopback, on interfaces of containers and tunnels, or to
//     a source that is not on the link. Interfaces can be named.
//   - Whatever arrives, memory is fixed and replies are bounded: in bytes per
//     second for the link, in packets per second for a source.
//   - TXT records are public and are cached: no secrets, no counters.
//   - What a browse returns is hearsay. Names are shown with [Display]; a client
//     trusts a certificate or a token, never a name.
//   - Every goroutine is waited for by Close, but for zeroconf's announcer,
//     which sleeps for up to 3.5 s and ends by itself.
//
// zeroconf reports its troubles to the standard logger; slog.SetDefault gives
// them to the program's own.
package discovery
