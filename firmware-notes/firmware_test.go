// Package firmware tests what is written for people who write firmware: the C
// client, the Python module, the sketches and the pages, against the golden
// vectors and the real hub.
package firmware

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/node"
	"topicd/node/dialect/native"
	"topicd/node/link"
	"topicd/node/link/ws"
)

// need skips the test where a tool is missing, and fails it in CI.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool)
		}
	}
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("this test needs %s", what)
	}
	t.Skipf("needs %s", what)
}

// run runs a command to its end; the test fails if it fails or says anything
// on its standard error.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var errs strings.Builder
	c := exec.Command(name, args...)
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, errs.String())
	}
	return string(out)
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// frame is an entry of vectors/frames.json.
type frame struct {
	Name, Dir, Note, JSON, CBOR string
	AlsoJSON, AlsoCBOR          []string
}

func frames(t *testing.T) []frame {
	t.Helper()
	b, err := os.ReadFile("vectors/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []frame
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// hub is a real hub.
type hub struct {
	*node.Hub
	addr string
	stop func()
}

// newHub starts a hub; listen is "127.0.0.1:0" but for a hub in a namespace.
func newHub(listen string, ping time.Duration) (*hub, error) {
	h := node.New(node.Options{Name: "greenhouse"})
	cfg := &native.Config{Hub: h, Version: "test", Ping: 50 * time.Second, MaxFrame: 65536}
	s, err := link.New(h, link.Options{Ping: ping})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", listen)
	for end := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(end); l, err = net.Listen("tcp", listen) {
		time.Sleep(5 * time.Millisecond) // the port of a hub that has just ended may be a connection's for a moment
	}
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", ws.New(s, ws.Options{
		Subprotocols: []string{native.ProtocolJSON, native.ProtocolCBOR}, Open: func(a node.Arrival) node.Dialect { return cfg.New(a.Protocol) },
	}))
	hs := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = hs.Serve(l) }()
	return &hub{Hub: h, addr: l.Addr().String(), stop: func() {
		_ = hs.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.Shutdown(ctx)
	}}, nil
}

func startHub(t *testing.T, ping time.Duration) *hub {
	t.Helper()
	h, err := newHub("127.0.0.1:0", ping)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.stop()
		if err := h.CheckInvariants(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *hub) port() string {
	_, port, _ := net.SplitHostPort(h.addr)
	return port
}

// page is a browser's end: JSON.
type page struct{ *websocket.Conn }

func dial(addr string) (page, error) {
	c, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/ws", nil)
	return page{c}, err
}

func (h *hub) page(t *testing.T) page {
	t.Helper()
	p, err := dial(h.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// ask sends a request with id 99 and waits for its answer.
func (p page) ask(request string) (map[string]any, error) {
	if err := p.WriteMessage(websocket.TextMessage, []byte(request)); err != nil {
		return nil, err
	}
	return p.wait(func(m map[string]any) bool { return m["id"] == 99.0 })
}

// wait reads until a message fits.
func (p page) wait(fits func(map[string]any) bool) (map[string]any, error) {
	_ = p.SetReadDeadline(time.Now().Add(2 * time.Minute))
	for {
		_, b, err := p.ReadMessage()
		if err != nil {
			return nil, err
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, err
		}
		if fits(m) {
			return m, nil
		}
	}
}

// publish sends data, JSON text, to a topic.
func publish(addr, topic, data string) error {
	p, err := dial(addr)
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	m, err := p.ask(fmt.Sprintf(`{"op":"pub","id":99,"topic":%q,"data":%s}`, topic, data))
	if err == nil && m["op"] != "ok" {
		err = fmt.Errorf("%v", m)
	}
	return err
}

func (h *hub) publish(t *testing.T, topic, data string) {
	t.Helper()
	if err := publish(h.addr, topic, data); err != nil {
		t.Fatal(err)
	}
}

// stored gives what a topic holds, oldest first.
func (h *hub) stored(t *testing.T, topic string) []map[string]any {
	t.Helper()
	p, err := dial(h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	m, err := p.ask(fmt.Sprintf(`{"op":"get","id":99,"topic":%q,"opts":{"last":100}}`, topic))
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	list, _ := m["data"].([]any)
	for _, x := range list {
		r, _ := x.(map[string]any)
		all = append(all, r)
	}
	return all
}

// heard waits until a topic holds something, and gives what it holds.
func (h *hub) heard(t *testing.T, topic string) []map[string]any {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if r := h.stored(t, topic); len(r) > 0 {
			return r
		}
	}
	t.Fatal("nothing in ", topic)
	return nil
}

// temp is where a thing that is built goes.
func temp(t *testing.T, name string) string { return filepath.Join(t.TempDir(), name) }
