package uplink

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"topicd/node/nodetest/port"
	"topicd/node/store"
	"topicd/node/uplink/natstest"
	"topicd/node/uplink/wire"
)

// refusedWith waits until the uplink is refused with those words.
func (g *gateway) refusedWith(words string) {
	g.t.Helper()
	var st Status
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if st = g.up.Status(); st.State == Refused && strings.Contains(strings.ToLower(st.Words), words) {
			return
		}
	}
	g.t.Fatalf("not refused with %q: %s: %s", words, st.State, st.Words)
}

// What a server refuses is kept, said in its words, and sent when it is no longer
// refused.
func TestRefusalsAreSaidAndNothingIsThrownAway(t *testing.T) {
	check := func(t *testing.T, g *gateway, s *natstest.Server, n int) {
		t.Helper()
		g.drained(patience)
		list := natstest.Read(t, s.Dial(), "SITES", "sites.>")
		if len(list) != n {
			t.Errorf("%d messages, %d were published", len(list), n)
		}
		last := map[string]uint64{}
		for _, m := range list {
			seq := number(m.Header.Get(hdrSeq))
			if seq <= last[m.Subject] {
				t.Errorf("%s: %d behind %d", m.Subject, seq, last[m.Subject])
			}
			last[m.Subject] = seq
		}
		if st := g.up.Status(); st.Lost != [3]int64{} {
			t.Errorf("%+v", st)
		}
	}
	pubs := func(g *gateway, n int) {
		for i := range n {
			g.pub(fmt.Sprint("t/", i%3), fmt.Sprint(i))
		}
	}
	t.Run("no stream", func(t *testing.T) {
		s := natstest.Start(t, "")
		g := newGateway(t, t.TempDir(), Options{URLs: []string{s.URL}, Site: "farm7"}, store.Options{})
		pubs(g, 10)
		g.refusedWith("no stream takes sites.farm7.up.")
		natstest.Stream(t, s.Dial(), "SITES", nil)
		check(t, g, s, 10)
	})
	t.Run("another stream", func(t *testing.T) {
		s := natstest.Start(t, "")
		nc := s.Dial()
		natstest.Stream(t, nc, "OTHER", nil)
		g := newGateway(t, t.TempDir(), Options{URLs: []string{s.URL}, Site: "farm7", Stream: "SITES"}, store.Options{})
		pubs(g, 10)
		g.refusedWith("stream not found")
		natstest.API(t, nc, "STREAM.DELETE.OTHER", nil)
		natstest.Stream(t, nc, "SITES", nil)
		check(t, g, s, 10)
	})
	t.Run("no JetStream", func(t *testing.T) {
		s := natstest.Plain(t, "")
		g := newGateway(t, t.TempDir(), Options{URLs: []string{s.URL}, Site: "farm7"}, store.Options{})
		g.refusedWith("no jetstream answers")
	})
	t.Run("full", func(t *testing.T) {
		s := natstest.Start(t, "")
		nc := s.Dial()
		set := map[string]any{"max_msgs": 5, "discard": "new"}
		natstest.Stream(t, nc, "SITES", set)
		g := newGateway(t, t.TempDir(), Options{URLs: []string{s.URL}, Site: "farm7"}, store.Options{})
		pubs(g, 20)
		g.refusedWith("maximum messages exceeded")
		natstest.API(t, nc, "STREAM.UPDATE.SITES", map[string]any{"name": "SITES", "subjects": []string{"sites.*.up.>"}, "storage": "file", "num_replicas": 1, "discard": "new", "retention": "limits", "max_msgs": 100})
		check(t, g, s, 20)
	})
	t.Run("too large for the stream", func(t *testing.T) {
		s := natstest.Start(t, "")
		nc := s.Dial()
		natstest.Stream(t, nc, "SITES", map[string]any{"max_msg_size": 2000})
		g := newGateway(t, t.TempDir(), Options{URLs: []string{s.URL}, Site: "farm7"}, store.Options{})
		g.pub("large", `"`+strings.Repeat("x", 3000)+`"`)
		pubs(g, 20)
		g.refusedWith("message size exceeds maximum")
		await(t, patience, "the others go on", func() bool { return g.up.Status().Acked == 20 })
		g.refusedWith("message size exceeds maximum") // still
	})
	t.Run("too large for the server", func(t *testing.T) {
		s := natstest.Start(t, "max_payload: 4096")
		natstest.Stream(t, s.Dial(), "SITES", nil)
		g := newGateway(t, t.TempDir(), Options{URLs: []string{s.URL}, Site: "farm7"}, store.Options{})
		g.pub("large", `"`+strings.Repeat("x", 5000)+`"`)
		pubs(g, 20)
		g.refusedWith("the server takes 4096")
		await(t, patience, "the others go on", func() bool { return g.up.Status().Acked == 20 })
	})
	t.Run("no right to publish", func(t *testing.T) {
		s := natstest.Start(t, `authorization { timeout: 60, users = [
			{user: admin, password: a},
			{user: farm7, password: b, permissions: {publish: ["$JS.API.>"], subscribe: "_INBOX.farm7.>"}} ] }`)
		natstest.Stream(t, s.DialAs("admin", "a"), "SITES", nil)
		g := newGateway(t, t.TempDir(), Options{URLs: []string{s.As("farm7", "b")}, Site: "farm7"}, store.Options{})
		pubs(g, 3)
		g.refusedWith("permissions violation for publish to")
		if st := g.up.Status(); strings.Contains(st.Words+st.Server+st.Servers, ":b@") {
			t.Errorf("a password is shown: %+v", st)
		}
	})
	t.Run("no right but for its own", func(t *testing.T) { // as firmware-notes/uplink.md has it
		s := natstest.Start(t, `authorization { timeout: 60, users = [
			{user: admin, password: a},
			{user: farm7, password: b, permissions: {
				publish: ["sites.farm7.up.>", "$JS.API.STREAM.INFO.SITES", "$JS.API.DIRECT.GET.SITES.sites.farm7.up.>"],
				subscribe: ["_INBOX.farm7.>", "sites.farm7.down.>"]}} ] }`)
		nc := s.DialAs("admin", "a")
		natstest.Stream(t, nc, "SITES", map[string]any{"allow_direct": true})
		dir := t.TempDir()
		o := Options{URLs: []string{s.As("farm7", "b")}, Site: "farm7", Stream: "SITES", Down: []string{"set/#"}}
		g := newGateway(t, dir, o, store.Options{})
		pubs(g, 10)
		g.drained(patience)
		s.Kill()
		pubs(g, 10)
		s.Up()
		g.drained(patience)
		g.stop()
		g = newGateway(t, dir, o, store.Options{})
		pubs(g, 10)
		g.drained(patience)
		if list := natstest.Read(t, s.DialAs("admin", "a"), "SITES", "sites.>"); len(list) != 30 {
			t.Errorf("%d messages, 30 were published", len(list))
		}
		o.Site = "farm8"
		other := newGateway(t, t.TempDir(), o, store.Options{})
		other.pub("t", "1")
		other.refusedWith("permissions violation")
	})
	t.Run("wrong password", func(t *testing.T) {
		s := natstest.Start(t, `authorization { timeout: 60, user: farm7, password: b }`)
		g := newGateway(t, t.TempDir(), Options{URLs: []string{s.As("farm7", "secret")}, Site: "farm7"}, store.Options{})
		g.refusedWith("authorization violation")
		if st := g.up.Status(); strings.Contains(fmt.Sprint(st), "secret") {
			t.Errorf("a password is shown: %+v", st)
		}
	})
	t.Run("token", func(t *testing.T) {
		s := natstest.Start(t, `authorization { timeout: 60, token: "s3cret" }`)
		g := newGateway(t, t.TempDir(), Options{URLs: []string{s.URL}, Site: "farm7", Token: "s3cret"}, store.Options{})
		pubs(g, 3)
		g.refusedWith("no stream takes")
	})
	t.Run("no server", func(t *testing.T) {
		g := newGateway(t, t.TempDir(), Options{URLs: []string{fmt.Sprintf("nats://127.0.0.1:%d", port.Free(t))}, Site: "farm7"}, store.Options{})
		pubs(g, 3)
		await(t, patience, "it says so", func() bool {
			st := g.up.Status()
			return st.State == Connecting && strings.Contains(st.Words, "refused")
		})
	})
}

// certificate makes a self-signed one for 127.0.0.1.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hub"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := x509.MarshalECPrivateKey(k)
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	_ = os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	_ = os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}), 0o600)
	return cert, key
}

func TestTLSAndWebSockets(t *testing.T) {
	cert, key := certificate(t)
	web := port.Free(t)
	s := natstest.Start(t, fmt.Sprintf("tls { cert_file: %q, key_file: %q, timeout: 60 }\nwebsocket { listen: \"127.0.0.1:%d\", no_tls: true }\n", cert, key, web))
	nc := s.Dial(natstest.RootCA(cert))
	natstest.Stream(t, nc, "SITES", nil)
	n := 0
	for i, u := range []string{strings.Replace(s.URL, "nats:", "tls:", 1), s.URL, fmt.Sprintf("ws://127.0.0.1:%d", web)} {
		g := newGateway(t, t.TempDir(), Options{URLs: []string{u}, Site: fmt.Sprint("s", i), CA: cert}, store.Options{})
		for j := range 300 {
			g.pub(fmt.Sprint("t/", j%7), fmt.Sprintf(`{"v":%d,"pad":%q}`, j, strings.Repeat("x", j*3)))
		}
		g.drained(patience)
		n += 300
		if list := natstest.Read(t, nc, "SITES", "sites.>"); len(list) != n {
			t.Errorf("%s: %d messages, want %d", u, len(list), n)
		}
	}
	g := newGateway(t, t.TempDir(), Options{URLs: []string{s.URL}, Site: "x"}, store.Options{})
	g.refusedWith("certificate")
}

func TestOptionsThatCannotBeMeant(t *testing.T) {
	ok := Options{URLs: []string{"nats://hub"}, Site: "a"}
	if _, err := ok.WithDefaults(); err != nil {
		t.Error(err)
	}
	for _, bad := range []Options{
		{}, {URLs: []string{"http://hub"}}, {URLs: []string{"hub:4222"}}, {URLs: []string{"nats://"}}, {URLs: []string{"nats://u:geheim@%zz"}},
		{URLs: ok.URLs, Site: "a.b"}, {URLs: ok.URLs, Up: []string{"a/#/b"}}, {URLs: ok.URLs, Down: []string{"+a"}}, {URLs: ok.URLs, Stream: "A.B"},
	} {
		_, err := bad.WithDefaults()
		if err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	missing := Options{URLs: ok.URLs, Creds: filepath.Join(t.TempDir(), "none")}
	if missing.secrets(new(wire.Options)) == nil {
		t.Error("credentials that are not there are taken")
	}
	text := filepath.Join(t.TempDir(), "text")
	_ = os.WriteFile(text, []byte("hello"), 0o600)
	for _, o := range []Options{{Creds: text}, {CA: text}} {
		if err := o.secrets(new(wire.Options)); err == nil || !strings.Contains(err.Error(), text) {
			t.Error(err)
		}
	}
}
