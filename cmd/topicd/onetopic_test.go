package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestOneTopic: a native dashboard, an SCD client and a QWebChannel page, all
// on / of one port, see each other's readings on one topic.
func TestOneTopic(t *testing.T) {
	url := strings.TrimSuffix(serveInside(t), "/ws") + "/"
	dial := func(first string) *websocket.Conn {
		c, _, err := websocket.DefaultDialer.Dial(url, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetReadDeadline(time.Now().Add(30 * time.Second))
		tell(t, c, first)
		return c
	}
	native := dial(`{"op":"sub","id":1,"topic":"room/#"}`)
	hear(t, native, `"op":"ok"`)
	scd := dial("SCDTMH:1.0\tTRN:room/1\n")
	hear(t, scd, "[server@notify]:TRN|room/1|")
	page := dial(`{"type":3,"id":0}`)
	hear(t, page, `"id":0,"type":10}`)
	tell(t, page, `{"type":4}`)
	tell(t, page, `{"type":6,"object":"topics","method":"subscribe","args":["room/#"],"id":1}`)
	hear(t, page, `"id":1,"type":10}`)

	for i, speak := range []func(v string){
		func(v string) { tell(t, native, `{"op":"pub","topic":"room/1","data":`+v+`}`) },
		func(v string) { tell(t, scd, "SCDTMH:1.0\tTSM:room/1\n"+v) },
		func(v string) {
			tell(t, page, `{"type":6,"object":"topics","method":"publish","args":["room/1",`+v+`],"id":2}`)
		},
	} {
		v := fmt.Sprintf(`{"v":%d}`, i)
		speak(v)
		hear(t, native, `"op":"msg","topic":"room/1","data":`+v+`,`)
		hear(t, page, `{"args":["room/1",`+v+`,`)
		if i != 1 { // an SCD client does not hear itself
			hear(t, scd, `@room/1]:`+v)
		}
	}

	// Whoever deletes the topic, SCD clients are told as by TDL, and hear it no more.
	for i, end := range []func(){
		func() { tell(t, native, `{"op":"delete","id":2,"topic":"room/1"}`) },
		func() {
			r, err := http.NewRequest("DELETE", strings.Replace(url, "ws:", "http:", 1)+"api/topics/room/1", nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
		},
	} {
		tell(t, native, fmt.Sprintf(`{"op":"pub","topic":"room/1","data":"last words %d"}`, i))
		hear(t, page, `"last words `)
		end()
		hear(t, scd, fmt.Sprintf(`@room/1]:last words %d`, i))
		hear(t, scd, "[server@notify]:TDL|room/1|1|no error\n")
		tell(t, native, `{"op":"pub","topic":"room/1","data":"anew"}`)
		hear(t, page, `"anew"`)
		tell(t, scd, "SCDTMH:1.0\tTRN:room/1\n")
		if _, b, err := scd.ReadMessage(); err != nil || !strings.HasPrefix(string(b), "[server@notify]:TRN|room/1|2|") {
			t.Fatalf("after the end it got %q, %v", b, err)
		}
	}
}

func tell(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// hear waits for a message with part in it.
func hear(t *testing.T, c *websocket.Conn, part string) {
	t.Helper()
	for {
		_, b, err := c.ReadMessage()
		if err != nil {
			t.Fatalf("waited for %s: %v", part, err)
		}
		if strings.Contains(string(b), part) {
			return
		}
	}
}
