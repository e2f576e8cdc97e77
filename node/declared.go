package node

// Declaration is what Make said of a static, durable or writable topic: all that must outlive a restart.
type Declaration struct {
	Topic string
	Cap   int64 // bytes, 0 = the hub's default
	Stale int64 // seconds, 0 = never

	Dynamic bool // it is durable and not static
	Durable bool

	Writable bool // a set-point
	Min, Max float64
}

// Declared gets a value when static or durable topics have been made, changed or deleted;
// several changes may be one value. Whoever keeps them then asks Statics.
func (h *Hub) Declared() <-chan struct{} { return h.declared }

// Statics are the topics that were made static or durable, in no order.
func (h *Hub) Statics() []Declaration {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var ds []Declaration
	for t := range h.topics.all {
		t.mu.Lock()
		d := t.declared()
		if d.static || d.durable || d.writable {
			ds = append(ds, Declaration{t.name, int64(d.cap), int64(d.stale), !d.static, d.durable, d.writable, d.min, d.max})
		}
		t.mu.Unlock()
	}
	return ds
}

func (h *Hub) declaredChanged() {
	select {
	case h.declared <- struct{}{}:
	default:
	}
}

// Find is the topic of that name, nil if there is none.
func (h *Hub) Find(name []byte) *Topic {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.byName.get(&h.topics, string(name))
}

// TopicOf is the topic of a reading, by what is said in it; nil when it has ended. Who
// notes the two numbers instead of the name does not keep the name of what has gone.
func (h *Hub) TopicOf(num uint32, ep uint64) *Topic {
	t := h.topics.at(num)
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dead || h.epochOf(t) != ep {
		return nil
	}
	return t
}

// ID is what TopicOf knows the topic by.
func (h *Hub) ID(t *Topic) (num uint32, ep uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.idx, h.epochOf(t)
}
