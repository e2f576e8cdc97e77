package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// In every dialect that answers, an answer means that the reading is on disk: the hub
// is killed as soon as it has come.
func TestAnswersMeanOnDisk(t *testing.T) {
	processes(t)
	const admin = "a-token-that-is-long-enough"
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(admin), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := func(h *hubProcess, path, kind, body string) int {
		t.Helper()
		r, err := http.NewRequest("POST", "http://"+h.addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+admin)
		r.Header.Set("Content-Type", kind)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	post := func(h *hubProcess, path, kind, body string) {
		t.Helper()
		if status := ask(h, path, kind, body); status >= 300 {
			t.Fatal(path, status)
		}
	}
	call := func(ws *websocket.Conn, id int, request, want string) {
		t.Helper()
		if err := ws.WriteMessage(websocket.TextMessage, []byte(request)); err != nil {
			t.Fatal(err)
		}
		for {
			if text := nextText(t, ws); strings.Contains(text, fmt.Sprintf(`"id":%d`, id)) {
				wants(t, text, want)
				return
			}
		}
	}
	channel := func(h *hubProcess) *websocket.Conn { return rawDial(t, "ws://"+h.addr+"/webchannel") }
	for _, c := range []struct {
		name, topic string
		publish     func(h *hubProcess)
	}{
		{"native", "plant/native", func(h *hubProcess) { publishAll(t, h.url, "plant/native", 1, 1) }},
		{"HTTP", "plant/http", func(h *hubProcess) { post(h, "/api/pub/plant/http", "application/json", "1") }},
		{"HTTP, many", "plant/many", func(h *hubProcess) { post(h, "/api/pub", "application/x-ndjson", `{"topic":"plant/many","data":1}`) }},
		{"SCD", "talk", func(h *hubProcess) {
			ws := rawDial(t, "ws://"+h.addr)
			scdAsk(t, ws, "TMK:talk\n")
			wants(t, scdAsk(t, ws, "TSM:talk\n1"), "TSM|talk|1|")
		}},
		{"WebChannel's topics", "plant/page", func(h *hubProcess) {
			call(channel(h), 7, `{"type":6,"object":"topics","method":"publish","args":["plant/page",1],"id":7}`, `"seq":1`)
		}},
		{"WebChannel's chat", "chat", func(h *hubProcess) {
			ws := channel(h)
			call(ws, 1, `{"type":6,"object":"chatserver","method":"login","args":["ann"],"id":1}`, "true")
			call(ws, 2, `{"type":6,"object":"chatserver","method":"sendMessage","args":["ann","hi"],"id":2}`, "true")
		}},
		{"MWS", "mws/tag/red", func(h *hubProcess) {
			post(h, "/v1/gateways/x/messages", "application/json", `{"data":"1","receivers":{"sockets":null,"tags":["red"]}}`)
		}},
		{"relay", "relay/kitchen", func(h *hubProcess) {
			rawDial(t, "ws://"+h.addr+"/relay/kitchen/ann")
			until(t, 30*time.Second, "ann is in the room", func() bool { // a little after her handshake
				return ask(h, "/api/broadcast", "application/json", `{"room":"kitchen","text":"dinner"}`) < 300
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			flags := []string{"--sense=off", "--state", dir, "--durable", "#", "--store-sync", "300ms", "--admin-token-file", token, "--mws-access=none"}
			h := serveProcess(t, nil, binary(t, "amd64"), flags...)
			c.publish(h)
			h.kill(t)
			rep, err := readStore(filepath.Join(dir, "store"))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rep.Topics {
				if r.Name == c.topic && r.Readings > 0 {
					return
				}
			}
			t.Errorf("what was answered is not on disk: %+v", rep.Topics)
		})
	}
}
