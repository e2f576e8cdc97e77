// Package dialect is what the hub's dialects have in common. A dialect decodes
// what its peer says, asks the hub, and answers in its own words; it knows
// neither the transport nor the other dialects. Each is a folder below this one:
//
//	native      topicd's own grammar, JSON and CBOR
//	scd         SCD-TopicServer's
//	webchannel  Qt's QWebChannel: chat, dialog and topics as published objects
//	mws         Managed WebSocket of Qt Cloud Services, with its REST
//	relay       rooms whose members hear each other
//	echo        everything comes back
//
// and hands the rest of the program one Plug, which says how it is told, opened
// and run. cmd lists the plugs, a line each; Router finds the one that a
// connection speaks.
package dialect
