package native

import (
	"testing"
	"time"

	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
)

func config(h *node.Hub) Config {
	return Config{Hub: h, Version: "1.0", Ping: 50 * time.Second, MaxFrame: 65536}
}

func newTranscript(t testing.TB, o node.Options) *dialecttest.Transcript {
	return dialecttest.NewTranscript(t, o, func(h *node.Hub, sub string) node.Dialect { return Plug(config(h)).Open(node.Arrival{Protocol: sub}) })
}

// serve runs a hub with native peers on a port.
func serve(t *testing.T, reader string) *dialecttest.Hub {
	return dialecttest.Start(t, dialecttest.Options{
		Hub: node.Options{Rate: -1, Name: "gw"}, Reader: reader,
		Plugs: func(h *node.Hub) []dialect.Plug { return []dialect.Plug{Plug(config(h))} },
	})
}
