package node

import "strings"

// Asked tells whether somebody waits for a topic of that name and asked for it in
// particular: the topic is there, or a subscription below the prefix fits it. One to
// # asks for nothing in particular.
func (h *Hub) Asked(name, below string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.byName.get(&h.topics, name) != nil {
		return true
	}
	asked := false
	h.patterns.Match(name, func(b *Subscription) {
		asked = asked || strings.HasPrefix(b.pattern, below)
	})
	return asked
}

// IsDevice tells whether a device said hello under that name lately.
func (h *Hub) IsDevice(name string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.devices[name] != nil
}
