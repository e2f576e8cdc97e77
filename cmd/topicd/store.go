package main

import (
	"topicd/cmd/internal/command"
	"topicd/node"
	"topicd/node/durable"
	"topicd/node/store"
)

// openDisk opens the store of durable topics, below the state directory. A directory
// that takes no files is trouble only for who wants durable topics.
func (s *server) openDisk(o *node.Options) (err error) {
	so := s.set.Store
	so.Topics, so.Dir, so.Log = o.Topics, s.state.File("store"), s.log
	s.disk, err = durable.Open(so, s.set.Durables())
	switch {
	case err == nil:
		o.Disk, o.Epoch = s.disk, s.disk.Store.Epoch()
		return nil
	case s.set.WantsDurable():
		return command.Fail(command.Failed, "choose a directory that takes files with --state DIR, or leave --durable out", "durable topics cannot be kept in %s: %w", so.Dir, err)
	}
	s.log.Warn("no topic can be durable: the state directory takes no files", "err", err)
	return nil
}

// store is what web shows of durable topics, nil where there are none.
func (s *server) store() *store.Store {
	if s.disk == nil {
		return nil
	}
	return s.disk.Store
}
