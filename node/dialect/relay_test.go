package dialect

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/codec"
	"topicd/node"
)

// hear is the next message of a connection.
func hear(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	kind, b, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	if kind == websocket.BinaryMessage {
		return fmt.Sprintf("<%x>", b)
	}
	return string(b)
}

func tell(t *testing.T, c *websocket.Conn, kind int, text string) {
	t.Helper()
	if err := c.WriteMessage(kind, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func wantHear(t *testing.T, c *websocket.Conn, want string) {
	t.Helper()
	if got := hear(t, c); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// joined waits until the room has n members.
func (h *house) joined(t *testing.T, room string, n int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if len(h.relay.members(room)) == n {
			return
		}
	}
	t.Fatalf("%s has %d members, not %d", room, len(h.relay.members(room)), n)
}

// TestRelay: each message goes to the others of the room as it was sent; native
// and SCD clients see and join in.
func TestRelay(t *testing.T) {
	for _, reader := range []string{"poll", "wait", "gorilla"} {
		t.Run(reader, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, node.Options{}, reader, 0)
			s := &session{t, h, map[string]*websocket.Conn{}}
			alice := s.peer("alice", "/relay/r/alice", "")
			h.joined(t, "r", 1)
			bob := s.peer("bob", "/relay/r/bob?x=1", "")
			other := s.peer("other", "/relay/elsewhere", "")
			h.joined(t, "r", 2)
			h.joined(t, "elsewhere", 1)
			for _, m := range []struct {
				kind        int
				text, shown string
			}{
				{websocket.TextMessage, `hello`, `hello`},
				{websocket.TextMessage, ``, ``},
				{websocket.TextMessage, `{"type":3,"id":0}`, `{"type":3,"id":0}`},
				{websocket.TextMessage, ` "quoted" ` + "\n\x00 𝄞", ` "quoted" ` + "\n\x00 𝄞"},
				{websocket.BinaryMessage, "", "<>"},
				{websocket.BinaryMessage, "\x00\xff\x80", "<00ff80>"},
				{websocket.TextMessage, strings.Repeat(`"`, 65_000), strings.Repeat(`"`, 65_000)},
			} {
				tell(t, alice, m.kind, m.text)
				wantHear(t, bob, m.shown)
			}
			tell(t, bob, websocket.TextMessage, "to alice") // and alice never heard herself
			wantHear(t, alice, "to alice")

			native := &client{t, s.peer("native", "/ws", "")}
			native.say(codec.JSON, `{"op":"sub","id":1,"topic":"relay/r","opts":{"last":0}}`)
			native.want("live")
			native.want("ok")
			tell(t, alice, websocket.TextMessage, `he said "hi"`)
			wantHear(t, bob, `he said "hi"`)
			if got := native.next(); !strings.Contains(got, `"data":"he said \"hi\"",`) || !strings.Contains(got, `"from":"alice"`) {
				t.Errorf("native got %s", got)
			}
			tell(t, alice, websocket.BinaryMessage, "\x01\x02")
			wantHear(t, bob, "<0102>")
			if got := native.next(); !strings.Contains(got, `"data":"AQI"`) {
				t.Errorf("native got %s", got)
			}
			for _, m := range [][2]string{{`"text \u00fc"`, "text ü"}, {`{"v":21.5}`, `{"v":21.5}`}, {`42`, `42`}} {
				native.say(codec.JSON, `{"op":"pub","topic":"relay/r","data":`+m[0]+`}`)
				wantHear(t, alice, m[1])
				wantHear(t, bob, m[1])
				native.want("msg")
			}
			native.say(codec.CBOR, `{"op":"pub","topic":"relay/r","data":{"v":1}}`)
			wantHear(t, alice, `{"v":1}`)
			wantHear(t, bob, `{"v":1}`)

			scd := s.peer("scd", "/scd", "")
			tell(t, scd, websocket.TextMessage, "SCDTMH:1.0\tTRN:relay/r\n")
			wantHear(t, scd, "[server@notify]:TRN|relay/r|2|topic 'relay/r' already exists\n")
			tell(t, scd, websocket.TextMessage, "SCDTMH:1.0\tTSM:relay/r\nfrom SCD")
			wantHear(t, bob, "from SCD")
			wantHear(t, alice, "from SCD")
			wantHear(t, scd, "[server@notify]:TSM|relay/r|1|no error\n")
			tell(t, bob, websocket.TextMessage, "to all")
			wantHear(t, scd, "[bob@relay/r]:to all")
			wantHear(t, alice, "to all")

			tell(t, other, websocket.TextMessage, "alone")
			h.roomsAre(t)
		})
	}
}

// roomsAre: who is where, who came and went, and what the operator says.
func (h *house) roomsAre(t *testing.T) {
	t.Helper()
	rooms := h.relay.Rooms()
	if len(rooms) != 2 || rooms[0].Name != "elsewhere" || rooms[1].Name != "r" {
		t.Fatalf("rooms: %+v", rooms)
	}
	if m := rooms[1].Members; len(m) != 2 || m[0].URL != "/relay/r/alice" || m[1].URL != "/relay/r/bob?x=1" || m[0].Addr == m[1].Addr || m[0].Since == 0 {
		t.Errorf("members: %+v", m)
	}
	if l := rooms[1].Log; len(l) != 2 || l[0].What != "join" || l[0].URL != "/relay/r/alice" || l[0].TS == 0 {
		t.Errorf("log: %+v", l)
	}
}

// TestRelayMembers: several with one URL are kept apart; who leaves is logged; a
// room ends with its last member, and its log is bounded.
func TestRelayMembers(t *testing.T) {
	h := newHouse(t, node.Options{}, "", 0)
	s := &session{t, h, map[string]*websocket.Conn{}}
	one, two := s.peer("1", "/relay/r/same", ""), s.peer("2", "/relay/r/same", "")
	h.joined(t, "r", 2)
	_ = one.Close()
	h.joined(t, "r", 1)
	tell(t, two, websocket.TextMessage, "x")
	if n, err := h.relay.Broadcast("r", "to you"); err != nil || n != 1 {
		t.Error(n, err)
	}
	wantHear(t, two, "to you")
	if n, err := h.relay.Broadcast("", "to all"); err != nil || n != 1 {
		t.Error(n, err)
	}
	wantHear(t, two, "to all")
	if _, err := h.relay.Broadcast("none", "x"); err == nil || err.Code != codec.CodeNotFound {
		t.Error(err)
	}
	rows := h.relay.Rooms()[0].Log
	if len(rows) != 3 || rows[2].What != "leave" || rows[2].URL != "/relay/r/same" {
		t.Errorf("log: %+v", rows)
	}
	_ = two.Close()
	h.joined(t, "r", 0)
	if h.Find([]byte("relay/r")) != nil {
		t.Error("the room outlives its last member")
	}
	if n, err := h.relay.Broadcast("", "nobody"); err != nil || n != 0 {
		t.Error(n, err)
	}
	for range 100 {
		c := s.peer("3", "/relay/r/"+strings.Repeat("long", 50), "")
		_ = c.Close()
		delete(s.peers, "3")
	}
	h.joined(t, "r", 0)
	if n := len(h.relay.visits("r")); n == 0 || n > 64 {
		t.Errorf("%d entries in the log", n)
	}
}

// TestRelayReborn: a room that is deleted while members are in it ends with its
// last member all the same.
func TestRelayReborn(t *testing.T) {
	h := newHouse(t, node.Options{}, "", 0)
	s := &session{t, h, map[string]*websocket.Conn{}}
	one := s.peer("1", "/relay/r", "")
	h.joined(t, "r", 1)
	capOf := func() int64 { return h.Info(h.Find([]byte("relay/r")), h.Mono()).Cap }
	before := capOf()
	if err := h.Delete([]byte("relay/r"), nil, h.Turn()); err != nil {
		t.Fatal(err)
	}
	h.joined(t, "r", 1)
	if got := capOf(); got != before {
		t.Errorf("it holds %d bytes, %d before", got, before)
	}
	_ = one.Close()
	for end := time.Now().Add(20 * time.Second); h.Find([]byte("relay/r")) != nil; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it outlives its last member")
		}
	}
}

// TestMembersInOrder: who came first stands first, months apart too.
func TestMembersInOrder(t *testing.T) {
	h := node.New(node.Options{})
	defer h.Close()
	turn := h.Turn()
	for _, since := range []int64{1 << 40, 1<<40 + 3_000_000_000, 1<<40 + 1} {
		s, err := h.Open(deaf{}, "", "", &node.Turn{Wall: since, Mono: since})
		if err == nil {
			_, err = s.Subscribe([]byte("relay/r"), node.SubOptions{Format: relayFormat{}}, turn)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close(turn)
	}
	got := (&Relay{Hub: h}).members("r")
	if !slices.IsSortedFunc(got, func(a, b Member) int { return cmp.Compare(a.Since, b.Since) }) {
		t.Errorf("%+v", got)
	}
}

// TestBurst: what comes in one go is there for who reads, though these dialects'
// topics are born with nobody asking for a cap.
func TestBurst(t *testing.T) {
	const n = 150
	h := newHouse(t, node.Options{}, "", 0)
	s := &session{t, h, map[string]*websocket.Conn{}}
	for name, path := range map[string]string{"scd": "/scd", "relay": "/relay/burst"} {
		from, to := s.peer(name+"1", path, ""), s.peer(name+"2", path, "")
		before := ""
		if name == "scd" {
			tell(t, to, websocket.TextMessage, "SCDTMH:1.0\tTRN:burst\n")
			wantHear(t, to, "[server@notify]:TRN|burst|3|no error\n")
			before = "SCDTMH:1.0\tTSM:burst\n"
		} else {
			h.joined(t, "burst", 2)
		}
		for i := range n {
			tell(t, from, websocket.TextMessage, fmt.Sprintf("%s%d %s", before, i, strings.Repeat("x", 10_000)))
		}
		for i := range n {
			if got := hear(t, to); !strings.Contains(got, fmt.Sprintf("%d x", i)) {
				t.Fatalf("%s: message %d is %.40q", name, i, got)
			}
		}
	}
}

// TestRelayRefusals: what cannot be told in words is told by the close frame.
func TestRelayRefusals(t *testing.T) {
	h := newHouse(t, node.Options{Rate: 5}, "", 0)
	s := &session{t, h, map[string]*websocket.Conn{}}
	if _, _, err := s.peer("a", "/relay/r", "relay/other").ReadMessage(); !websocket.IsCloseError(err, 1008) || !strings.Contains(err.Error(), "not yours: relay/r") {
		t.Errorf("who may not hear got %v", err)
	}
	fast := s.peer("b", "/relay/r", "")
	for range 20 {
		tell(t, fast, websocket.TextMessage, "x")
	}
	if _, _, err := fast.ReadMessage(); !websocket.IsCloseError(err, 1013) {
		t.Errorf("who is too fast got %v", err)
	}
	echo := s.peer("c", "/echo", "")
	for range 20 {
		tell(t, echo, websocket.TextMessage, "x")
	}
	n := 0
	for ; ; n++ {
		if _, _, err := echo.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, 1013) {
				t.Errorf("who is too fast got %v", err)
			}
			break
		}
	}
	if n < 5 || n > 10 {
		t.Errorf("%d echoes", n)
	}
	for room, ok := range map[string]bool{"r": true, "8000": true, "": false, "a/b": false, "a+": false, "#": false, "x\n": false, strings.Repeat("x", 65): false, "Küche": true} {
		if err := CheckRoom(room); (err == nil) != ok {
			t.Errorf("%q: %v", room, err)
		}
	}
}

// TestEcho: text as text, binary as binary, empty, fragmented, large, and what
// looks like another dialect's.
func TestEcho(t *testing.T) {
	for _, reader := range []string{"poll", "wait", "gorilla"} {
		t.Run(reader, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, node.Options{MaxBody: 2 << 20}, reader, 2<<20)
			s := &session{t, h, map[string]*websocket.Conn{}}
			c, other := s.peer("a", "/echo", ""), s.peer("b", "/echo", "")
			large := make([]byte, 1<<20)
			_, _ = rand.Read(large)
			for _, m := range []string{"Hello, world!", "", `{"type":3,"id":0}`, `{"op":"ping"}`, "SCDTMH:1.0\tTRN:x\n", strings.Repeat("ü", 1<<19)} {
				tell(t, c, websocket.TextMessage, m)
				if got := hear(t, c); got != m {
					t.Fatalf("%.40q came back as %.40q", m, got)
				}
			}
			for _, m := range [][]byte{{}, {0xa1, 0, 8}, large} {
				tell(t, c, websocket.BinaryMessage, string(m))
				if kind, b, err := c.ReadMessage(); err != nil || kind != websocket.BinaryMessage || !bytes.Equal(b, m) {
					t.Fatalf("%d bytes came back as %d (%d, %v)", len(m), len(b), kind, err)
				}
			}
			w, err := c.NextWriter(websocket.TextMessage) // gorilla sends a fragment each time its buffer is full
			for i := range 50 {
				fmt.Fprintf(w, "%d %s ", i, strings.Repeat("part", 500))
			}
			if err == nil {
				err = w.Close()
			}
			if got := hear(t, c); err != nil || len(got) != 50*2002+10+2*40 {
				t.Errorf("%d bytes of fragments, %v", len(got), err)
			}
			tell(t, other, websocket.TextMessage, "only mine")
			wantHear(t, other, "only mine")
		})
	}
}
