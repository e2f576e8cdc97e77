package link_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"topicd/node"
	"topicd/node/dialect/native"
	"topicd/node/link"
)

// TestHandshake: who gets in, and what is agreed.
func TestHandshake(t *testing.T) {
	t.Parallel()
	const protocol = "Sec-WebSocket-Protocol: "
	tests := []struct {
		name   string
		header []string
		status int
		proto  string // confirmed to the client
		known  string // told to the dialect
	}{
		{name: "nothing asked", status: 101},
		{name: "unknown subprotocol, as ESP32 libraries send", header: []string{protocol + "arduino"}, status: 101, proto: "arduino"},
		{name: "known subprotocol", header: []string{protocol + native.ProtocolCBOR}, status: 101, proto: native.ProtocolCBOR, known: native.ProtocolCBOR},
		{name: "several, one known", header: []string{protocol + "mqtt, chat,  " + native.ProtocolCBOR}, status: 101, proto: native.ProtocolCBOR, known: native.ProtocolCBOR},
		{name: "several known, the server's first", header: []string{protocol + native.ProtocolCBOR + ", " + native.ProtocolJSON}, status: 101, proto: native.ProtocolJSON, known: native.ProtocolJSON},
		{name: "several, none known", header: []string{protocol + "mqtt, chat"}, status: 101, proto: "mqtt"},
		{name: "own origin", header: []string{"Origin: http://HOST"}, status: 101},
		{name: "foreign origin", header: []string{"Origin: http://example.com"}, status: 403},
		{name: "own host as a prefix", header: []string{"Origin: http://HOST.example.com"}, status: 403},
		{name: "own host as user name", header: []string{"Origin: http://HOST@example.com"}, status: 403},
		{name: "own host, other port", header: []string{"Origin: http://127.0.0.1:1"}, status: 403},
		{name: "null origin", header: []string{"Origin: null"}, status: 403},
		{name: "origin that is no URL", header: []string{"Origin: http://%zz"}, status: 403},
		{name: "compression wanted", header: []string{"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"}, status: 101},
	}
	eachReader(t, func(t *testing.T, reader string) {
		told := make(chan string, 1)
		s := serve(t, options{
			Reader: reader, Subprotocols: []string{native.ProtocolJSON, native.ProtocolCBOR},
			Dialect: func(a node.Arrival) node.Dialect { told <- a.Protocol; return echo{} },
		}, node.Options{})
		for _, tt := range tests {
			header := make([]string, len(tt.header))
			for i, h := range tt.header {
				header[i] = strings.ReplaceAll(h, "HOST", s.addr)
			}
			c := s.knock(header...)
			if c.resp.StatusCode != tt.status {
				t.Errorf("%s: %s, want %d", tt.name, c.resp.Status, tt.status)
			}
			if tt.status != http.StatusSwitchingProtocols {
				continue
			}
			if known := <-told; known != tt.known {
				t.Errorf("%s: the dialect was told %q, want %q", tt.name, known, tt.known)
			}
			if p := c.resp.Header.Get("Sec-WebSocket-Protocol"); p != tt.proto {
				t.Errorf("%s: confirmed %q, want %q", tt.name, p, tt.proto)
			}
			if e := c.resp.Header.Get("Sec-WebSocket-Extensions"); e != "" {
				t.Errorf("%s: offers %q", tt.name, e)
			}
			c.send(text("hello"))
			c.want("text:hello")
			_ = c.nc.Close()
		}
	})
}

// TestBrowserSubprotocol: gorilla, as browsers, fails where none is confirmed.
func TestBrowserSubprotocol(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, options{Reader: reader, Subprotocols: []string{native.ProtocolJSON}}, node.Options{})
		c := s.browser("soap", native.ProtocolJSON)
		if c.Subprotocol() != native.ProtocolJSON {
			t.Errorf("agreed on %q", c.Subprotocol())
		}
		if _, b, err := c.ReadMessage(); err != nil || !strings.Contains(string(b), `"op":"welcome"`) {
			t.Errorf("welcomed with %q, %v", b, err)
		}
		if c := s.browser("soap"); c.Subprotocol() != "soap" {
			t.Errorf("agreed on %q", c.Subprotocol())
		}
	})
}

// TestFullHub: a peer beyond the limit is told to try later.
func TestFullHub(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, reader string) {
		s := serve(t, withEcho(options{Reader: reader}), node.Options{Sessions: 3})
		for range 3 {
			c := s.dial()
			c.send(text("in"))
			c.want("text:in")
		}
		c := s.dial()
		if all, err := c.rest(); err != nil || len(all) != 1 || all[0] != "close:1013" {
			t.Errorf("got %q, %v", all, err)
		}
	})
}

// TestOptions: a server that cannot be is refused.
func TestOptions(t *testing.T) {
	t.Parallel()
	h := node.New(node.Options{})
	defer h.Close()
	if _, err := link.New(h, link.Options{Reader: "telepathy"}); err == nil {
		t.Error("a reader that does not exist was taken")
	}
	s, err := link.New(h, link.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := map[bool]string{true: link.ReadPoll, false: link.ReadStay}[link.HasPoll]; s.Reader() != want {
		t.Errorf("reads by %q, want %q", s.Reader(), want)
	}
	s.Shutdown(context.Background())
	s.Shutdown(context.Background()) // twice does no harm
	if link.Remote(nil) != "" || link.Remote(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7}) != "127.0.0.1:7" {
		t.Error("remote addresses")
	}
}
