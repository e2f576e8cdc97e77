package wire

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
)

// fake serves one connection with lines that a test writes.
func fake(t testing.TB, info string, serve func(net.Conn, *bufio.Reader)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				_, _ = fmt.Fprint(nc, info)
				serve(nc, bufio.NewReader(nc))
			}()
		}
	}()
	return "nats://" + l.Addr().String()
}

const hello = "INFO {\"server_name\":\"x\",\"headers\":true,\"max_payload\":100}\r\n"

// greet answers CONNECT and PING.
func greet(nc net.Conn, r *bufio.Reader) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(line, "PING") {
			_, _ = fmt.Fprint(nc, "PONG\r\n")
			return
		}
	}
}

func TestWhatServersSayInsteadOfHello(t *testing.T) {
	for _, c := range []struct{ info, then, want string }{
		{"SSH-2.0-x\r\n", "", "no server of NATS"},
		{"INFO nonsense\r\n", "", "no server of NATS"},
		{"INFO {}\r\n", "", "no headers"},
		{strings.Repeat("x", 100<<10), "", "no NATS"},
		{hello, "-ERR 'Authorization Violation'\r\n", "Authorization Violation"},
		{hello, "", "closed the connection"},
	} {
		u := fake(t, c.info, func(nc net.Conn, r *bufio.Reader) {
			if c.info == hello {
				_, _ = r.ReadString('\n')
				_, _ = r.ReadString('\n')
				_, _ = fmt.Fprint(nc, c.then)
			}
		})
		_, err := Dial(context.Background(), Options{URLs: []string{u}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.20q %q: %v", c.info, c.then, err)
		}
	}
	silent := fake(t, "", func(_ net.Conn, r *bufio.Reader) { _, _ = r.ReadString('\n') })
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, Options{URLs: []string{silent}}); err == nil {
		t.Error("a silent server is taken")
	}
}

func TestMessagesAndRefusals(t *testing.T) {
	u := fake(t, hello, func(nc net.Conn, r *bufio.Reader) {
		greet(nc, r)
		_, _ = r.ReadString('\n') // SUB
		_, _ = fmt.Fprint(nc, "PING\r\nMSG a 1 2\r\nhi\r\nHMSG a 1 re.ply 25 27\r\nNATS/1.0\r\nKey: va lue\r\n\r\nho\r\nHMSG a 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\nMSG a 9 1\r\nx\r\n-ERR 'Permissions Violation for Publish to \"b\"'\r\nMSG a 1 0\r\n\r\nMSG a 1 0\r\n\r\n")
		for {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
	})
	denied := make(chan string, 1)
	c, err := Dial(context.Background(), Options{URLs: []string{u}, Denied: func(w string) { denied <- w }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ch := make(chan *Msg, 4)
	s, err := c.Subscribe("a", ch)
	if err != nil {
		t.Fatal(err)
	}
	if m := <-ch; string(m.Data) != "hi" || m.Head != nil || m.Reply != "" {
		t.Errorf("%+v", m)
	}
	if m := <-ch; string(m.Data) != "ho" || m.Header("Key") != "va lue" || m.Reply != "re.ply" {
		t.Errorf("%+v", m)
	}
	if code, _ := (<-ch).Status(); code != "503" {
		t.Error(code)
	}
	if w := <-denied; !strings.Contains(w, "Publish") {
		t.Error(w)
	}
	if err := c.Publish("b", "", nil, make([]byte, 101)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	_ = s
}

func TestAFullChannelCountsWhatItLoses(t *testing.T) {
	u := fake(t, hello, func(nc net.Conn, r *bufio.Reader) {
		greet(nc, r)
		_, _ = r.ReadString('\n')
		_, _ = fmt.Fprint(nc, strings.Repeat("MSG a 1 1\r\nx\r\n", 10), "BOO\r\n")
		_, _ = r.ReadString('\n')
	})
	c, err := Dial(context.Background(), Options{URLs: []string{u}})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := c.Subscribe("a", make(chan *Msg, 3))
	<-c.Ended()
	if s.Dropped() != 7 || !errors.Is(c.Err(), errMalformed) {
		t.Error(s.Dropped(), c.Err())
	}
	c.Close()
}

// Whatever a server says, the connection ends or goes on: no panic, no allocation
// beyond what it sends.
func FuzzReader(f *testing.F) {
	for _, s := range []string{
		"MSG a 1 2\r\nhi\r\n", "HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "HMSG a 1 99 1\r\n", "MSG a 1 -1\r\n", "MSG\r\n", "-ERR\r\n",
		"MSG a 1 99999999999999\r\n", "PING\r\nPONG\r\n+OK\r\nINFO {}\r\n", "MSG a b c d e f\r\n", "HMSG a 1 r 30 30\r\nNATS/1.0 503 No\r\nA: b\r\n\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.Contains(b, []byte("0000000")) {
			return // a length that this test has no memory for
		}
		a, z := net.Pipe()
		go func() {
			for { // what the client answers
				if _, err := z.Read(make([]byte, 100)); err != nil {
					return
				}
			}
		}()
		ch := make(chan *Msg, 100)
		c := &Conn{nc: a, r: bufio.NewReader(bytes.NewReader(b)), w: bufio.NewWriter(a), subs: map[uint64]*Sub{1: {ch: ch}}, denied: make(chan string, 1), ended: make(chan struct{})}
		if c.readLoop() == nil {
			t.Fatal("it ended without a reason")
		}
		a.Close()
		z.Close()
		for len(ch) > 0 {
			m := <-ch
			m.Status()
			m.Header("A")
		}
	})
}

// Credentials as nsc writes them, with nats.go's own keys as the oracle.
func TestCredentials(t *testing.T) {
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, _ := user.Seed()
	text := "-----BEGIN NATS USER JWT-----\nabc.def.ghi\n------END NATS USER JWT------\n\n****\n\n-----BEGIN USER NKEY SEED-----\n" + string(seed) + "\n------END USER NKEY SEED------\n"
	for _, text := range []string{text, strings.ReplaceAll(text, "\n", "\r\n")} {
		c, err := ParseCreds(text)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := user.Sign([]byte("nonce"))
		if c.JWT != "abc.def.ghi" || !bytes.Equal(decode(t, c.sign("nonce")), want) {
			t.Errorf("%+v", c)
		}
	}
	account, _ := nkeys.CreateAccount()
	other, _ := account.Seed()
	flipped := []byte(string(seed))
	flipped[10] ^= 1
	for _, bad := range []string{"", "hello", strings.Replace(text, string(seed), string(other), 1), strings.Replace(text, string(seed), string(flipped), 1), strings.Replace(text, string(seed), "SU", 1), text[:100]} {
		if _, err := ParseCreds(bad); err == nil || strings.Contains(err.Error(), string(seed)) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
