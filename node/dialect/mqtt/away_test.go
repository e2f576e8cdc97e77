package mqtt

import (
	"strings"
	"testing"
	"time"

	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// stateOf is what presence says of a client.
func stateOf(h *node.Hub, name string) (state string) {
	t := h.Find([]byte("$sys/presence/" + name))
	if t == nil {
		return ""
	}
	var raw []byte
	seq := h.Info(t, 0).Seq
	h.Read(t, seq, seq+1, &raw, func(r *node.Reading) bool { state = string(r.Data); return false })
	_, state, _ = strings.Cut(state, `"state":"`)
	state, _, _ = strings.Cut(state, `"`)
	return state
}

func TestPresenceSaysThatAKeptClientIsOffline(t *testing.T) {
	h := start(t)
	addr := h.Bare(t, "mqtt")
	x := &run{T: t, b: overTCP(addr), v: packet.V4}
	w := x.connect("watcher")
	w.subscribe(nil, packet.Filter{Filter: []byte("$sys/presence/#")})
	w.want("SUBACK 7 00")
	eventually := func(want string) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); stateOf(h.Hub, "dev") != want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it is %q, not %s", stateOf(h.Hub, "dev"), want)
			}
		}
	}
	for range 3 {
		p := x.persistent("dev")
		p.sub(1, "t")
		eventually("online")
		p.cut()
		eventually("offline")
	}
}
