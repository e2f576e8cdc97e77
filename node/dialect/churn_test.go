package dialect_test

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/node/dialect/dialecttest"
)

// TestChurn: peers of every dialect come and go, in order or not, all at once;
// topics that were theirs go with them, and nothing is left behind.
func TestChurn(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("hub", func(t *testing.T) {
		h := dialecttest.Start(t, dialecttest.Options{Plugs: all})
		paths := []string{"/scd", "/", "/relay/r/x", "/relay/q", "/echo"}
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				for n := range 15 {
					path := paths[(i+n)%len(paths)]
					c, _, err := websocket.DefaultDialer.Dial(h.WS(path), nil)
					if err != nil {
						t.Error(err)
						return
					}
					for _, m := range []string{"TRN:t\n", "TSM:t\nx", "TRN:u\n", "TDL:t\n", "TUC:u\n", "TRC:t\n"} {
						_ = c.WriteMessage(websocket.TextMessage, []byte("SCDTMH:1.0\t"+m))
					}
					if n%3 == 0 {
						_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
						_, _, _ = c.ReadMessage()
					}
					_ = c.Close()
				}
			})
		}
		wg.Wait()
		for end := time.Now().Add(dialecttest.Patience); h.Counts().Sessions > 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d sessions are left", h.Counts().Sessions)
			}
		}
		turn := h.Turn()
		for range 50 {
			h.Sweep(turn)
		}
		for _, topic := range h.Topics("#") {
			t.Errorf("%s is left", topic.Name())
		}
		if n := h.Counts().Subscriptions; n != 0 {
			t.Errorf("%d subscriptions are left", n)
		}
		log := h.Do(t, "GET", "/api/relay", "").Body
		joins, leaves := strings.Count(log, `"what":"join"`), strings.Count(log, `"what":"leave"`)
		if joins == 0 || leaves == 0 {
			t.Errorf("the log tells of %d who came and %d who went", joins, leaves)
		}
	})
	for end := time.Now().Add(dialecttest.Patience); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b := make([]byte, 64<<10)
			b = b[:runtime.Stack(b, true)]
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, strings.TrimSpace(string(b)))
		}
	}
}
