package main

import (
	"context"
	"encoding/hex"
	"errors"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/gorilla/websocket"

	"topicd/codec"
)

// What devices and their libraries write is taken for what it means, on a real
// socket: whole numbers as floats, null and undefined for what is not set, what
// a later version may add, marks before a frame. What is wrong is told in words,
// with the id of the request.
func TestWhatDevicesWrite(t *testing.T) {
	url := serveInside(t)
	ws, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	const whole = "id must be a whole number from 0 to 9007199254740991"
	for _, c := range []struct{ sent, want string }{
		{`{"op":"pub","id":5.0,"topic":"t/j","data":1}`, `{"op":"ok","id":5,`},
		{`{"op":"pub","id":1e3,"topic":"t/j","data":1}`, `{"op":"ok","id":1000,`},
		{`{"op":"pub","id":1.7e12,"topic":"t/j","data":1}`, `{"op":"ok","id":1700000000000,`},
		{`{"op":"get","id":6,"topic":"t/j","opts":{"last":1e1,"since":null}}`, `{"op":"ok","id":6,`},
		{`{"op":"get","id":6,"topic":"t/j","opts":{"last":5.0}}`, `{"op":"ok","id":6,`},
		{`{"op":"pub","id":7,"topic":"t/j","data":1,"seq":null,"opts":null,"from":null}`, `{"op":"ok","id":7,`},
		{"\ufeff" + `{"op":"ping","id":8}`, `{"op":"pong","id":8`},
		{`{"op":"ping","id":9,"later":{"a":1,"a":1e999}}`, `{"op":"pong","id":9`},
		{`{"op":"pub","topic":"t/j","data":1,"id":5.5}`, whole},
		{`{"op":"pub","topic":"t/j","data":1,"id":1e300}`, whole},
		{`{"op":"pub","topic":"t/j","data":nan,"id":10}`, `{"op":"err","id":10,"err":{"code":400,"msg":"\"nan\" cannot be told to JSON readers`},
		{`{"op":"pub","seq":1.5,"topic":"t/j","data":1,"id":11}`, `{"op":"err","id":11,"err":{"code":400,"msg":"seq must be`},
		{`{"op":"get","topic":"t/j","opts":{"last":5.5},"id":12}`, `{"op":"err","id":12,"err":{"code":400,"msg":"the option last must be`},
		{`{"op":"pub","topic":"t/../j","data":1,"id":13}`, `{"op":"err","id":13,"err":{"code":400,"msg":"a level \"..\" in the topic`},
		{`{"op":"sub","topic":"./#","id":14}`, `{"op":"err","id":14,"err":{"code":400,"msg":"a level \".\" in the pattern`},
		{`{"op":"ping","id":15}`, `pong`},
		{"x a400020105 0263742f63 0301", `{"op":"ok","id":5,`},
		{"x a4000201fb427a2243b8088000 0263742f63 0301", `{"op":"ok","id":1795904209032,`}, // cbor-x: Date.now()
		{"x a4000201f94500 0263742f63 0301", `{"op":"ok","id":5,`},
		{"x a500020101 0263742f63 0301 1863f7", `{"op":"ok","id":1,`},
		{"x a500020101 0263742f63 0301 18637f6161ff", `{"op":"ok","id":1,`},
		{"x a600020101 0263742f63 0301 05f7 08a1646c617374f7", `{"op":"ok","id":1,`},
		{"x d9d9f7 d90103 a400020101 0263742f63 03 d90103a102c482201" + "8d7", `{"op":"ok","id":1,`},
		{"x a400020101 0263742f63 03f7", `{"op":"err","id":1,"err":{"code":400,"msg":"pub needs data"`},
		{"x a5000205f945800263742f63 0301 0107", `{"op":"err","id":7,"err":{"code":400,"msg":"seq must be`},
		{"x " + hex.EncodeToString([]byte(`{"op":"pub","id":5,"topic":"t/j","data":1}`)), "this looks like JSON, not CBOR: send it in a text frame"},
		{"x " + hex.EncodeToString([]byte(`[{"op":"ping"}]`)), "this looks like JSON, not CBOR: send it in a text frame"},
	} {
		kind, frame := websocket.TextMessage, []byte(c.sent)
		if h, ok := strings.CutPrefix(c.sent, "x "); ok {
			kind = websocket.BinaryMessage
			if frame, err = hex.DecodeString(strings.ReplaceAll(h, " ", "")); err != nil {
				t.Fatal(c.sent, err)
			}
		}
		if err := ws.WriteMessage(kind, frame); err != nil {
			t.Fatal(c.sent, err)
		}
		if got := heard(t, ws); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.sent, got, c.want)
		}
	}
	got := say(t, ws, `{"op":"get","id":1,"topic":"t/c","opts":{"last":1}}`)
	if !strings.Contains(got, `"data":{"v":21.5}`) {
		t.Errorf("a Map with a decimal fraction is told %s", got)
	}
	// CBOR in a text frame cannot be read at all: a text frame is UTF-8.
	_ = ws.WriteMessage(websocket.TextMessage, []byte("\xa1\x00\x08"))
	_, _, err = ws.ReadMessage()
	if !websocket.IsCloseError(err, 1007) || !strings.Contains(err.Error(), "CBOR goes in a binary frame") {
		t.Errorf("CBOR in a text frame: %v", err)
	}
}

// heard is the next frame as JSON.
func heard(t *testing.T, ws *websocket.Conn) string {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(30 * time.Second))
	kind, b, err := ws.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return asJSON(t, kind == websocket.BinaryMessage, b)
}

// asJSON writes a frame anew as JSON.
func asJSON(t *testing.T, binary bool, b []byte) string {
	t.Helper()
	if !binary {
		return string(b)
	}
	var d codec.Decoder
	d.Reset(codec.CBOR, b)
	var m codec.Message
	if err := d.Next(&m); err != nil {
		t.Fatalf("%x: %v", b, err)
	}
	return string(codec.Append(nil, codec.JSON, &m))
}

const goFrame = `{"op":"pub","id":1,"topic":"go/x","data":{"v":21.5}}`

// coder/websocket, which offers compression and gets none.
func TestCoderWebsocket(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, _, err := coder.Dial(ctx, serveInside(t), &coder.DialOptions{Subprotocols: []string{"topicd.v1.json"}, CompressionMode: coder.CompressionContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for _, want := range []string{`"op":"welcome"`, `{"op":"ok","id":1,`} {
		_, b, err := c.Read(ctx)
		if err != nil || !strings.Contains(string(b), want) {
			t.Fatalf("%s, %v, want %s", b, err, want)
		}
		if err := c.Write(ctx, coder.MessageText, []byte(goFrame)); err != nil {
			t.Fatal(err)
		}
	}
	go func() { // pongs are read by a reader
		for err := error(nil); err == nil; {
			_, _, err = c.Read(ctx)
		}
	}()
	if err := c.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
	if err := c.Close(coder.StatusNormalClosure, "done"); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestGobwas(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, _, _, err := gobwas.Dial(ctx, serveInside(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	for _, binary := range []bool{false, true} {
		frame, op := []byte(goFrame), gobwas.OpText
		if binary {
			frame, op = []byte("\xa4\x00\x02\x01\x01\x02\x64go/x\x03\x02"), gobwas.OpBinary
		}
		if err := wsutil.WriteClientMessage(c, op, frame); err != nil {
			t.Fatal(err)
		}
		b, got, err := wsutil.ReadServerData(c)
		if err != nil {
			t.Fatal(err)
		}
		if text := asJSON(t, got == gobwas.OpBinary, b); !strings.Contains(text, `{"op":"ok","id":1,`) {
			t.Errorf("answered %s", text)
		}
	}
	if err := wsutil.WriteClientMessage(c, gobwas.OpClose, gobwas.NewCloseFrameBody(gobwas.StatusNormalClosure, "")); err != nil {
		t.Fatal(err)
	}
	var closed wsutil.ClosedError
	if _, _, err := wsutil.ReadServerData(c); !errors.As(err, &closed) || closed.Code != gobwas.StatusNormalClosure {
		t.Errorf("closed with %v", err)
	}
}

func TestAiohttp(t *testing.T) {
	processes(t)
	needPython(t)
	need(t, "/usr/lib/python3/dist-packages/aiohttp", "python3-aiohttp: apt-get install python3-aiohttp")
	var got []string
	for _, l := range tool(t, "", python, "testdata/py/aioclient.py", serveInside(t)) {
		_, data, _ := strings.Cut(l, `"data":`)
		data, _, _ = strings.Cut(data, `,"from"`)
		if strings.HasSuffix(l, data) { // without a from the row ends here
			data = strings.TrimSuffix(data, "}")
		}
		got = append(got, data)
	}
	want := []string{
		"21.50", "-1e30", "1180591620717411303424", "-1180591620717411303424", "21.5", "[7]", `"AAAAAAAAAAAAAAAAAAAAAQ"`,
		`"2026-01-31T12:00:00Z"`, `{"v":21.5,"u":"Cel"}`, "null", "21.5", `"22"`, "23.5", // a str is text/plain there
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// libwebsockets and libcbor in C.
func TestLibwebsockets(t *testing.T) {
	processes(t)
	need(t, "/usr/bin/gcc", "gcc: apt-get install gcc")
	need(t, "/usr/include/libwebsockets.h", "libwebsockets: apt-get install libwebsockets-dev")
	need(t, "/usr/include/cbor.h", "libcbor: apt-get install libcbor-dev")
	bin := filepath.Join(t.TempDir(), "lws")
	if out, err := exec.Command("gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", bin, "testdata/c/lws.c", "-lwebsockets", "-lcbor").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	u, err := url.Parse(serveInside(t))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(tool(t, "", bin, u.Port()), "\n")
	for _, want := range []string{"ok 1700000000000 1", `text {"op":"ok","id":2,"topic":1,"seq":2}`, "ok 3 0", "msg 22"} {
		if !strings.Contains(got+"\n", want+"\n") {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}

// npm's cbor-x writes large numbers as floats, undefined for what is not set, and
// a Map with a tag.
func TestCborX(t *testing.T) {
	processes(t)
	needNode(t)
	need(t, "testdata/js/node_modules/cbor-x", "npm's cbor-x: npm ci in cmd/topicd/testdata/js")
	got := tool(t, "", "node", "testdata/js/cborx.js", serveInside(t))
	want := []string{`"0":1,`, `{"0":6,"1":1700000000000,"2":1,"5":1}`, `{"0":6,"1":2,"2":1,"5":2}`, `{"0":6,"1":3,"2":1,"5":3}`, `"data":21.5`, `"0":1,`, "this looks like JSON"}
	for i, w := range want {
		if i >= len(got) || !strings.Contains(got[i], w) {
			t.Errorf("answer %d is not %s in\n%s", i, w, strings.Join(got, "\n"))
		}
	}
}
