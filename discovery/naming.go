package discovery

import (
	"sync"

	"topicd/discovery/internal/mdns"
)

// naming is the name that all links use. A conflict on one of them changes it
// for all: a hub has one name.
type naming struct {
	// static after construction
	svc Service

	// guarded by mu
	mu           sync.Mutex
	instance     string
	host         string
	nInst, nHost int // names tried
	changed      chan struct{}
}

// claim is the identity at one time; changed is closed when it is over.
type claim struct {
	id      mdns.Identity
	changed <-chan struct{}
}

func newNaming(s Service) *naming {
	return &naming{
		svc: s, instance: s.Instance, host: s.Host, nInst: 1, nHost: 1,
		changed: make(chan struct{}),
	}
}

func (n *naming) current() claim {
	n.mu.Lock()
	defer n.mu.Unlock()
	return claim{id: n.svc.identity(n.instance, n.host), changed: n.changed}
}

func (c claim) stale() bool {
	select {
	case <-c.changed:
		return true
	default:
		return false
	}
}

// resolve takes the next name after a conflict, unless another link has done so
// since c was current.
func (n *naming) resolve(c claim, verdict mdns.Conflict) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.stale() {
		return
	}
	switch verdict {
	case mdns.InstanceConflict:
		n.nInst++
		n.instance = mdns.Rename(n.svc.Instance, n.nInst)
	case mdns.HostConflict:
		n.nHost++
		n.host = mdns.RenameHost(n.svc.Host, n.nHost)
	default:
		return
	}
	close(n.changed)
	n.changed = make(chan struct{})
}
