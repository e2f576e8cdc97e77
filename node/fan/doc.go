// Package fan knows who hears what, and what of it waits to be read. It knows no
// topic but its number, and no log.
//
//	Trie       subscriptions with wildcards, by level: asked when a topic is born
//	Audience   the listeners of a topic, shared by all topics that have the same
//	Marks      a bit a topic: the session's cursor on it exists
//	List       the cursors that exist, first come first served, 8 bytes each
//
// A publish walks its topic's audience and asks a mark of each listener; only who
// had read all gets an entry on its list. Nothing here has a lock of its own.
package fan
