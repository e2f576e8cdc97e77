package link_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/node"
)

// Who asks for more than it may is left unread for a while: refusing each of its
// requests would keep a processor busy. Others are served meanwhile, and so is
// the peer itself once it keeps to its rate.
func TestThrottled(t *testing.T) {
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader}, node.Options{Rate: 200})
		flooder, honest := s.browser(), s.browser()
		go func() {
			for {
				if _, r, err := flooder.NextReader(); err != nil {
					return
				} else if _, err = io.Copy(io.Discard, r); err != nil {
					return
				}
			}
		}()
		frame := fmt.Appendf(nil, `{"op":"pub","topic":"a","data":"%s"}`, strings.Repeat("x", 1000))
		_ = flooder.SetWriteDeadline(time.Now().Add(time.Second))
		for flooder.WriteMessage(websocket.TextMessage, frame) == nil {
		}
		began := time.Now()
		if err := honest.WriteMessage(websocket.TextMessage, []byte(`{"op":"ping","id":1}`)); err != nil {
			t.Fatal(err)
		}
		_ = honest.SetReadDeadline(time.Now().Add(patience))
		if _, m, err := honest.ReadMessage(); err != nil || !strings.Contains(string(m), "pong") {
			t.Fatal(string(m), err)
		}
		took := time.Since(began)
		refused := s.Hub().Stats.Get(node.RefusedRate)
		t.Logf("%d requests refused, the honest one served in %v", refused, took)
		if refused > 10_000 { // a hundred thousand and more without the pauses
			t.Errorf("%d requests were looked at and refused", refused)
		}
	})
}
