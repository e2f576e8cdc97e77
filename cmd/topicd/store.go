package main

import (
	"slices"

	"topicd/cmd/internal/command"
	"topicd/node"
	"topicd/node/durable"
	"topicd/node/store"
	"topicd/node/uplink"
)

// openDisk opens the store of durable topics, below the state directory. A directory
// that takes no files is trouble only for who wants durable topics.
func (s *server) openDisk(o *node.Options) (err error) {
	so := s.set.store
	so.Topics, so.Dir, so.Log = o.Topics, s.state.File("store"), s.log
	s.disk, err = durable.Open(so, s.set.durables())
	switch {
	case err == nil:
		o.Disk, o.Epoch = s.disk, s.disk.Store.Epoch()
		return nil
	case s.set.wantsDurable():
		return command.Fail(command.Failed, "choose a directory that takes files with --state DIR, or leave --durable out", "durable topics cannot be kept in %s: %w", so.Dir, err)
	}
	s.log.Warn("no topic can be durable: the state directory takes no files", "err", err)
	return nil
}

func (s *settings) wantsDurable() bool {
	for _, t := range s.static {
		if t.durable {
			return true
		}
	}
	return len(s.durables()) > 0
}

// durables are the patterns of durable topics: what goes up is durable.
func (s *settings) durables() []string {
	if len(s.uplink.URLs) == 0 {
		return s.durable
	}
	up := s.uplink.Up
	if len(up) == 0 {
		up = []string{"#"}
	}
	return append(slices.Clone(s.durable), up...)
}

// store is what web shows of durable topics, nil where there are none.
func (s *server) store() *store.Store {
	if s.disk == nil {
		return nil
	}
	return s.disk.Store
}

// storeWorst is the most memory that the store takes with so many topics. Without a
// durable topic in the settings it is reckoned with a few that clients make.
func (s *settings) storeWorst(topics int) int64 {
	if !s.wantsDurable() {
		topics = min(topics, 100)
	}
	o := s.store
	o.Topics = topics
	n := store.Worst(o, topics)
	if len(s.uplink.URLs) > 0 {
		n += uplink.Worst
	}
	return n
}

// topicLimit is how many topics there may be: one per KiB of --memory unless said.
func (s *settings) topicLimit() int {
	if s.topics > 0 {
		return s.topics
	}
	return int(min(int64(s.memory)>>10, node.MaxTopics))
}

// storeMemory is what of --memory the store of durable topics has: what it takes at
// most, up to half. Readings that the arena then does not hold are read from disk.
func (s *settings) storeMemory() int64 {
	if !s.wantsDurable() {
		return 0
	}
	return min(s.storeWorst(s.topicLimit()), int64(s.memory)/2)
}
