package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"topicd/codec"
	"topicd/node/client"
)

// The lives of the soak's clients, one dialect each.

// lifetime is how long one stays connected.
func lifetime() time.Duration { return time.Duration(200+rand.IntN(8000)) * time.Millisecond }

// cut ends a connection as a cable does that is pulled: no goodbye, a reset.
func (s *soak) cut(nc net.Conn) {
	if rand.IntN(2) == 0 {
		if c, ok := nc.(*net.TCPConn); ok {
			_ = c.SetLinger(0)
		}
		s.cuts.Add(1)
	}
	_ = nc.Close()
}

// socket lives one life on a WebSocket: it says hello, then something at its pace,
// and reads all, or nothing. Every second one is behind the cable, where there is one.
func (s *soak) socket(path, hello string, say func(i int) string, reads bool) error {
	addr, d := s.addr, websocket.Dialer{HandshakeTimeout: 5 * time.Second}
	if s.far != "" && rand.IntN(2) == 0 {
		addr, d.NetDialContext = s.far, s.field.dial
	}
	c, _, err := d.Dial("ws://"+addr+path, nil)
	if err != nil {
		if addr == s.far && s.pulled.Load() > 0 {
			return nil // the cable was out a moment ago
		}
		return err
	}
	defer s.cut(c.NetConn())
	end := time.Now().Add(lifetime())
	_ = c.SetReadDeadline(end.Add(time.Second))
	if reads {
		go func() {
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					return
				}
			}
		}()
	}
	if hello != "" {
		if err := c.WriteMessage(websocket.TextMessage, []byte(hello)); err != nil {
			return err
		}
	}
	for i := 0; time.Now().Before(end) && !s.stopping.Load(); i++ {
		if text := say(i); text != "" {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			if c.WriteMessage(websocket.TextMessage, []byte(text)) != nil {
				return nil // the hub cut who does not read, or is too fast
			}
			s.said.Add(1)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// mqttLife is one life with MQTT 3.1.1 or 5, by hand.
func (s *soak) mqttLife(n int) error {
	c, err := net.Dial("tcp", s.mqtt)
	if err != nil {
		return err
	}
	defer s.cut(c)
	props := ""
	if n%20 >= 10 {
		props = "\x00" // of version 5: none
	}
	packet := func(head byte, parts ...string) []byte {
		body := strings.Join(parts, "")
		return append([]byte{head, byte(len(body))}, body...)
	}
	id := fmt.Sprintf("soak%d", n)
	b := packet(0x10, "\x00\x04MQTT", string(rune(4+len(props))), "\x02\x00\x3c", props, "\x00", string(rune(len(id))), id)
	b = append(b, packet(0x82, "\x00\x01", props, "\x00\x06soak/#\x01")...)
	if _, err := c.Write(b); err != nil {
		return err
	}
	go func() { _, _ = io.Copy(io.Discard, c) }()
	topic := fmt.Sprintf("soak/mqtt/%d", n)
	for end := time.Now().Add(lifetime()); time.Now().Before(end) && !s.stopping.Load(); time.Sleep(20 * time.Millisecond) {
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := c.Write(packet(0x30, "\x00", string(rune(len(topic))), topic, props, "21.5")); err != nil {
			return nil
		}
		s.said.Add(1)
	}
	return nil
}

// mwsLife is one life of a Managed WebSocket: an address is asked for, then used,
// while messages come by REST.
func (s *soak) mwsLife() error {
	r, err := http.Get("http://" + s.addr + "/v1/websocket_uri")
	if err != nil {
		return err
	}
	var a struct{ URI string }
	err = json.NewDecoder(r.Body).Decode(&a)
	r.Body.Close()
	if err != nil {
		return err
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(a.URI, "ws://"), "/")
	return s.socket("/"+path, "", func(i int) string {
		if i%10 == 0 {
			if r, err := http.Post("http://"+s.addr+"/v1/messages", "application/json", strings.NewReader(`{"data":1,"receivers":{"sockets":["*"]}}`)); err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
				r.Body.Close()
				s.said.Add(1)
			}
		}
		return ""
	}, true)
}

// cborLife is one life of our own client.
func (s *soak) cborLife(ctx context.Context, n int) error {
	long := lifetime()
	ctx, cancel := context.WithTimeout(ctx, long+5*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, client.Options{URL: s.url, Encoding: codec.CBOR, Dev: fmt.Sprintf("soak-%d", n)})
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Subscribe(ctx, "soak/#", client.SubOptions{Last: 1, Rate: 5}, func(client.Message) {}); err != nil {
		return err
	}
	for end := time.Now().Add(long); time.Now().Before(end) && !s.stopping.Load(); time.Sleep(50 * time.Millisecond) {
		var refused *codec.Error
		_, err := c.Publish(ctx, fmt.Sprintf("soak/durable/%d", n%4), strings.Repeat("d", 4000))
		switch {
		case errors.As(err, &refused) && s.filled.Load() > 0: // the disk is full: it says so
			s.refused.Add(1)
		case err != nil:
			return err
		}
		s.said.Add(1)
	}
	return nil
}

// httpLife is one life of requests, and of an event stream that is left.
func (s *soak) httpLife(ctx context.Context, n int) error {
	h := http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	defer h.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, lifetime())
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+s.addr+"/api/stream?topic=soak/%23", nil)
	stream, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	defer stream.Body.Close()
	go func() { _, _ = io.Copy(io.Discard, stream.Body) }()
	for ctx.Err() == nil && !s.stopping.Load() {
		r, err := h.Post(fmt.Sprintf("http://%s/api/pub/soak/new/%d", s.addr, rand.IntN(500)), "application/json", strings.NewReader("1"))
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
		s.said.Add(1)
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// live is one life of the n-th client: its kind stays the same.
func (s *soak) live(ctx context.Context, n int) error {
	nothing := func(int) string { return "" }
	switch n % 11 {
	case 0:
		return s.socket("/ws", `{"op":"sub","id":1,"topic":"soak/#"}`, func(i int) string { return fmt.Sprintf(`{"op":"pub","topic":"soak/json/%d","data":%d}`, n, i) }, true)
	case 1:
		return s.cborLife(ctx, n)
	case 2:
		return s.mqttLife(n)
	case 3:
		return s.socket("/scd", "SCDTMH:1.0\tTRN:soak\n", func(i int) string { return fmt.Sprintf("SCDTMH:1.0\tTSM:soak\n%d", i) }, true)
	case 4:
		return s.socket(fmt.Sprintf("/relay/soak/%d", n), "", func(i int) string { return fmt.Sprint("hello ", i) }, true)
	case 5:
		return s.socket("/echo", "", func(i int) string { return strings.Repeat("e", i%2000) }, true)
	case 6:
		return s.httpLife(ctx, n)
	case 7:
		return s.socket("/webchannel", `{"type":3,"id":0}`, func(i int) string {
			return fmt.Sprintf(`{"type":6,"id":%d,"object":"chatserver","method":0,"args":["soak"]}`, i+1)
		}, true)
	case 8: // a flood
		return s.socket("/ws", "", func(i int) string {
			return fmt.Sprintf(`{"op":"pub","topic":"soak/flood/%d","data":"%s"}`, i%50, strings.Repeat("x", 1000))
		}, true)
	case 9:
		return s.mwsLife()
	default: // reads nothing
		return s.socket("/ws", `{"op":"sub","id":1,"topic":"#","opts":{"last":100}}`, nothing, false)
	}
}
