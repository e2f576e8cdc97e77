package link_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"os/exec"
	"testing"
	"time"

	"topicd/node"
	"topicd/node/link"
)

// OpenSSL renews its keys in the middle and asks the hub to renew its own (RFC
// 8446 4.6.3): TLS has something to say of itself, which goes out in its place.
func TestNewKeys(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("needs openssl")
	}
	for _, reader := range []string{link.ReadPoll + overTLS, link.ReadStay + overTLS} {
		s := serveToy(t, options{Reader: reader}, node.Options{})
		cmd := exec.CommandContext(t.Context(), openssl, "s_client", "-connect", s.bare, "-tls1_3", "-msg")
		in, _ := cmd.StdinPipe()
		out, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var seen bytes.Buffer
		await := func(what string) {
			t.Helper()
			end := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
			defer end.Stop()
			b := make([]byte, 4096)
			for !bytes.Contains(seen.Bytes(), []byte(what)) {
				n, err := out.Read(b)
				if seen.Write(b[:n]); err != nil {
					t.Fatalf("no %q came: %v\n%s", what, err, seen.Bytes())
				}
			}
			seen.Reset()
		}
		_, _ = in.Write(toyPacket("hello"))
		await("hello")
		for _, word := range []string{"again", "and once more"} {
			_, _ = io.WriteString(in, "K\n") // s_client's command, when it comes alone
			await("<<< TLS 1.3, Handshake [length 0005], KeyUpdate")
			_, _ = in.Write(toyPacket(word))
			await(word)
		}
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	}
}

// A TLS connection whose socket is not link.Below's is refused: its writes would block.
func TestTLSWithoutBelow(t *testing.T) {
	t.Parallel()
	gone := make(chan string, 1)
	s := serveToy(t, options{Gone: func(addr string) { gone <- addr }}, node.Options{})
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{testCertificate()}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s.Accept(server, node.Arrival{Addr: "192.0.2.1:5"}, &toy{}, nil, nil)
	if addr := <-gone; addr != "192.0.2.1:5" {
		t.Errorf("%q is gone", addr)
	}
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("something came")
	}
}

// What a writer has TLS make of a batch is not what TLS says by itself: a peer whose
// reader looked meanwhile was ended as one that makes TLS talk and does not listen.
func TestSealingIsNotTalk(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		nc, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			_, _ = io.Copy(io.Discard, nc)
		}
	}()
	nc, err := link.Below(l).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{testCertificate()}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if most := link.SealAndLook(c, 2000); most > 0 {
		t.Errorf("%d bytes of a batch were taken for TLS's own", most)
	}
}
