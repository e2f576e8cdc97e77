package relay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect"
	"topicd/node/dialect/dialecttest"
	"topicd/node/dialect/echo"
	"topicd/node/dialect/native"
	"topicd/node/dialect/scd"
)

// house is a hub with rooms, and peers of other dialects that come into them.
type house struct {
	*dialecttest.Hub
	relay *relay
}

func newHouse(t *testing.T, o node.Options, reader string) *house {
	h := &house{}
	h.Hub = dialecttest.Start(t, dialecttest.Options{Hub: o, Reader: reader, Plugs: func(hub *node.Hub) []dialect.Plug {
		h.relay = &relay{hub}
		return []dialect.Plug{native.Plug(native.Config{Hub: hub}), scd.Plug(hub), Plug(hub), echo.Plug()}
	}})
	return h
}

// joined waits until the room has n members.
func (h *house) joined(t *testing.T, room string, n int) {
	t.Helper()
	dialecttest.Await(t, fmt.Sprintf("%s has %d members", room, n), func() bool { return len(h.relay.guests(room)) == n })
}

// TestRelay: each message goes to the others of the room as it was sent; native
// and SCD clients see and join in.
func TestRelay(t *testing.T) {
	for _, reader := range []string{"poll", "goroutine"} {
		t.Run(reader, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, node.Options{}, reader)
			alice := h.Dial(t, "/relay/r/alice", "")
			h.joined(t, "r", 1)
			bob := h.Dial(t, "/relay/r/bob?x=1", "")
			other := h.Dial(t, "/relay/elsewhere", "")
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
				if err := alice.WriteMessage(m.kind, []byte(m.text)); err != nil {
					t.Fatal(err)
				}
				bob.Want(m.shown)
			}
			bob.Text("to alice") // and alice never heard herself
			alice.Want("to alice")

			native := h.Dial(t, "/ws", "")
			native.Say(codec.JSON, `{"op":"sub","id":1,"topic":"relay/r","opts":{"last":0}}`)
			native.WantOp("live")
			native.WantOp("ok")
			alice.Text(`he said "hi"`)
			bob.Want(`he said "hi"`)
			if got := native.Next(); !strings.Contains(got, `"data":"he said \"hi\"",`) || !strings.Contains(got, `"from":"alice"`) {
				t.Errorf("native got %s", got)
			}
			alice.Binary("\x01\x02")
			bob.Want("<0102>")
			if got := native.Next(); !strings.Contains(got, `"data":"AQI"`) {
				t.Errorf("native got %s", got)
			}
			for _, m := range [][2]string{{`"text \u00fc"`, "text ü"}, {`{"v":21.5}`, `{"v":21.5}`}, {`42`, `42`}} {
				native.Say(codec.JSON, `{"op":"pub","topic":"relay/r","data":`+m[0]+`}`)
				alice.Want(m[1])
				bob.Want(m[1])
				native.WantOp("msg")
			}
			native.Say(codec.CBOR, `{"op":"pub","topic":"relay/r","data":{"v":1}}`)
			alice.Want(`{"v":1}`)
			bob.Want(`{"v":1}`)

			scd := h.Dial(t, "/scd", "")
			scd.Text("SCDTMH:1.0\tTRN:relay/r\n")
			scd.Want("[server@notify]:TRN|relay/r|2|topic 'relay/r' already exists\n")
			scd.Text("SCDTMH:1.0\tTSM:relay/r\nfrom SCD")
			bob.Want("from SCD")
			alice.Want("from SCD")
			scd.Want("[server@notify]:TSM|relay/r|1|no error\n")
			bob.Text("to all")
			scd.Want("[bob@relay/r]:to all")
			alice.Want("to all")

			other.Text("alone")
			h.roomsAre(t)
		})
	}
}

// roomsAre: who is where, who came and went, and what the operator says.
func (h *house) roomsAre(t *testing.T) {
	t.Helper()
	rooms := h.relay.rooms()
	if len(rooms) != 2 || rooms[0].Room != "elsewhere" || rooms[1].Room != "r" {
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
	h := newHouse(t, node.Options{}, "")
	one, two := h.Dial(t, "/relay/r/same", ""), h.Dial(t, "/relay/r/same", "")
	h.joined(t, "r", 2)
	_ = one.Close()
	h.joined(t, "r", 1)
	two.Text("x")
	if n, err := h.relay.broadcast("r", "to you", nil); err != nil || n != 1 {
		t.Error(n, err)
	}
	two.Want("to you")
	if n, err := h.relay.broadcast("", "to all", nil); err != nil || n != 1 {
		t.Error(n, err)
	}
	two.Want("to all")
	if _, err := h.relay.broadcast("none", "x", nil); err == nil || err.Code != codec.CodeNotFound {
		t.Error(err)
	}
	rows := h.relay.rooms()[0].Log
	if len(rows) != 3 || rows[2].What != "leave" || rows[2].URL != "/relay/r/same" {
		t.Errorf("log: %+v", rows)
	}
	_ = two.Close()
	h.joined(t, "r", 0)
	if h.Find([]byte("relay/r")) != nil {
		t.Error("the room outlives its last member")
	}
	if n, err := h.relay.broadcast("", "nobody", nil); err != nil || n != 0 {
		t.Error(n, err)
	}
	for range 100 {
		c := h.Dial(t, "/relay/r/"+strings.Repeat("long", 50), "")
		_ = c.Close()
	}
	h.joined(t, "r", 0)
	if n := len(h.relay.changes("r")); n == 0 || n > 64 {
		t.Errorf("%d entries in the log", n)
	}
}

// TestRelayReborn: a room that is deleted while members are in it ends with its
// last member all the same.
func TestRelayReborn(t *testing.T) {
	h := newHouse(t, node.Options{}, "")
	one := h.Dial(t, "/relay/r", "")
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
	dialecttest.Await(t, "it ends with its last member", func() bool { return h.Find([]byte("relay/r")) == nil })
}

// TestMembersInOrder: who came first stands first, months apart too.
func TestMembersInOrder(t *testing.T) {
	h := node.New(node.Options{})
	defer h.Close()
	turn := h.Turn()
	for _, since := range []int64{1 << 40, 1<<40 + 3_000_000_000, 1<<40 + 1} {
		s, err := h.Open(node.Deaf{}, "", "", &node.Turn{Wall: since, Mono: since})
		if err == nil {
			_, err = s.Subscribe([]byte("relay/r"), node.SubOptions{Format: format{}}, turn)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close(turn)
	}
	got := (&relay{h}).guests("r")
	if !slices.IsSortedFunc(got, func(a, b guest) int { return cmp.Compare(a.Since, b.Since) }) {
		t.Errorf("%+v", got)
	}
}

// TestBurst: what comes in one go is there for who reads, though these dialects'
// topics are born with nobody asking for a cap.
func TestBurst(t *testing.T) {
	const n = 150
	h := newHouse(t, node.Options{}, "")
	for name, path := range map[string]string{"scd": "/scd", "relay": "/relay/burst"} {
		from, to := h.Dial(t, path, ""), h.Dial(t, path, "")
		before := ""
		if name == "scd" {
			to.Text("SCDTMH:1.0\tTRN:burst\n")
			to.Want("[server@notify]:TRN|burst|3|no error\n")
			before = "SCDTMH:1.0\tTSM:burst\n"
		} else {
			h.joined(t, "burst", 2)
		}
		for i := range n {
			from.Text(fmt.Sprintf("%s%d %s", before, i, strings.Repeat("x", 10_000)))
		}
		for i := range n {
			if got := to.Hear(); !strings.Contains(got, fmt.Sprintf("%d x", i)) {
				t.Fatalf("%s: message %d is %.40q", name, i, got)
			}
		}
	}
}

// TestRelayRefusals: what cannot be told in words is told by the close frame.
func TestRelayRefusals(t *testing.T) {
	// Time stands still: what is said too fast is so however slowly a busy machine says it.
	h := newHouse(t, node.Options{Rate: 5, Clock: func() (wall, mono int64) { return 1, 1 }}, "")
	if _, _, err := h.Dial(t, "/relay/r", "relay/other").ReadMessage(); !websocket.IsCloseError(err, 1008) || !strings.Contains(err.Error(), "not yours: relay/r") {
		t.Errorf("who may not hear got %v", err)
	}
	fast := h.Dial(t, "/relay/r", "")
	for range 20 {
		fast.Text("x")
	}
	if _, _, err := fast.ReadMessage(); !websocket.IsCloseError(err, 1013) {
		t.Errorf("who is too fast got %v", err)
	}
	echo := h.Dial(t, "/echo", "")
	for range 20 {
		echo.Text("x")
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
		if err := checkRoom(room); (err == nil) != ok {
			t.Errorf("%q: %v", room, err)
		}
	}
}
