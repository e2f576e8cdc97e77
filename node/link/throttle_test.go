package link_test

import (
	"fmt"
	"io"
	"net"
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

// A packet that is handled in pieces is whole before the next one, which has come with
// it, and what has come of a third one is not lost. So it is with packets that are work.
func TestInPieces(t *testing.T) {
	eachToy(t, func(t *testing.T, way, reader string) {
		s := serveToy(t, options{Reader: reader}, node.Options{})
		p := s.toy(way, net.Dialer{})
		var b []byte
		for _, m := range []string{"pieces 4", "hello", "work 1", "work 2", "work 3", "pieces 2", "world"} {
			b = append(b, toyPacket(m)...)
		}
		for _, part := range [][]byte{b[:len(b)-3], b[len(b)-3:]} {
			if err := p.write(part); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range []string{"in 4", "hello", "work 1", "work 2", "work 3", "in 2", "world"} {
			p.wantPacket(m)
		}
		gone := s.toy(way, net.Dialer{}) // one that goes meanwhile
		if err := gone.write(toyPacket("pieces 1000000")); err != nil {
			t.Fatal(err)
		}
		_ = gone.nc.Close()
	})
}
