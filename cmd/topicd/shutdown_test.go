package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/cmd/internal/command"
	"topicd/node/client"
)

// rawDial is a WebSocket without a client's manners.
func rawDial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	d := websocket.Dialer{WriteBufferSize: 32 << 10} // gorilla fragments what does not fit
	ws, _, err := d.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	return ws
}

// SIGTERM: every client gets what it is owed, a bye and a close 1001, and the
// exit code is 0, a client that does not read or not.
func TestSigterm(t *testing.T) {
	processes(t)
	h := serveProcess(t, nil, binary(t, "amd64"))
	reader, stuck := rawDial(t, h.url), rawDial(t, h.url)
	for _, ws := range []*websocket.Conn{reader, stuck} {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"sub","id":1,"topic":"#"}`)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.Dial(t.Context(), client.Options{URL: h.url})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := 0; ; i++ { // a publisher that never stops, more than a socket holds
			if _, err := c.Publish(t.Context(), "big", strings.Repeat("x", 30_000)); err != nil {
				return
			}
		}
	}()
	var bye bool
	closed := make(chan error, 1)
	go func() {
		for {
			_, b, err := reader.ReadMessage()
			if err != nil {
				closed <- err
				return
			}
			bye = strings.HasPrefix(string(b), `{"op":"bye","err":{"code":503,`)
		}
	}()
	time.Sleep(500 * time.Millisecond)
	code, took := h.stop(t)
	if code != 0 {
		t.Errorf("exit code %d after %v\n%s", code, took, h.errs.String())
	}
	t.Logf("ended in %v", took)
	if err := <-closed; !websocket.IsCloseError(err, websocket.CloseGoingAway) || !bye {
		t.Errorf("bye %v, then %v", bye, err)
	}
	c.Close()
}

// A second signal ends it at once. The first leaves a peer a second: a try in which this
// process stood still for so long between two signals says nothing.
func TestSecondSignal(t *testing.T) {
	processes(t)
	for range 10 {
		s, pause := secondSignal(t)
		if !s.Exited() {
			return
		}
		if pause < 500*time.Millisecond {
			t.Fatalf("ended with %v", s) // in order, after the second that a peer has
		}
	}
	t.Error("this machine is too busy to send two signals within half a second")
}

// secondSignal signals a hub that has a peer which does not read until it has ended, and
// tells how long it was at most from one signal to the next.
func secondSignal(t *testing.T) (end *os.ProcessState, pause time.Duration) {
	t.Helper()
	h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off")
	stuck := rawDial(t, h.url)
	if err := stuck.WriteMessage(websocket.TextMessage, []byte(`{"op":"sub","id":1,"topic":"#"}`)); err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(t.Context(), client.Options{URL: h.url})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 130 { // more than a socket holds, less than the hub takes in a second
		if _, err := c.Publish(t.Context(), "big", strings.Repeat("x", 60_000)); err != nil {
			t.Fatal(err)
		}
	}
	for last := time.Now(); ; {
		h.cmd.Process.Signal(syscall.SIGTERM)
		pause, last = max(pause, time.Since(last)), time.Now()
		select {
		case <-h.end:
			return h.cmd.ProcessState, max(pause, time.Since(last))
		case <-time.After(20 * time.Millisecond): // the first may not have been heard yet
		}
	}
}

// A port that is taken is said clearly, with a way out.
func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var errs strings.Builder
	a := &app{Env: command.Env{In: strings.NewReader(""), Out: &errs, Err: &errs, Getenv: func(string) string { return "" }}}
	code := a.run(t.Context(), []string{"serve", "--listen", l.Addr().String(), "--mdns=off", "--state", t.TempDir()})
	if code != command.Failed || !strings.Contains(errs.String(), "cannot serve on "+l.Addr().String()) || !strings.Contains(errs.String(), "hint: another topicd may be running") {
		t.Errorf("%d: %s", code, errs.String())
	}
}

// Ctrl-C is how sub ends, and what interrupts the rest.
func TestInterrupted(t *testing.T) {
	hub := serveInside(t)
	base := strings.TrimSuffix(strings.Replace(hub, "ws://", "http://", 1), "/ws")
	clients := func() string {
		r, err := http.Get(base + "/api/clients")
		if err != nil {
			return err.Error()
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		return string(text)
	}
	for cmd, want := range map[string]int{"sub #": command.OK, "pub a -": command.Interrupted, "sub # --count 9": command.Interrupted} {
		until(t, 60*time.Second, "the one before is gone", func() bool { return !strings.Contains(clients(), `"addr"`) })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		var out, errs strings.Builder
		in, _ := net.Pipe() // never says anything
		a := &app{Env: command.Env{In: in, Out: &out, Err: &errs, Getenv: func(k string) string { return map[string]string{"TOPICD_HUB": hub}[k] }}}
		go func() {
			ready, long := `"subs":1`, 60*time.Second
			if strings.HasPrefix(cmd, "pub") {
				ready, long = `"addr"`, 2*time.Second // it may dial when it has something to say
			}
			for end := time.Now().Add(long); !strings.Contains(clients(), ready) && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			}
			time.Sleep(100 * time.Millisecond)
			cancel()
		}()
		if code := a.run(ctx, strings.Fields(cmd)); code != want || errs.Len() > 0 {
			t.Errorf("%s ended with %d: %s", cmd, code, errs.String())
		}
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.Error(ctx.Err())
		}
	}
}
