// Package natstest runs real servers of NATS for tests. The binary is built through
// the module proxy at a pinned version and kept in the user's cache: it is no
// dependency of this module.
package natstest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"topicd/node/nodetest/port"
)

const version = "v2.15.2"

// Binary is the path of nats-server. Without it the test is skipped, with CI=true it
// fails.
func Binary(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "topicd-test", "nats-server-"+version)
	name := filepath.Join(dir, "nats-server")
	if _, err := os.Stat(name); err == nil {
		return name
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	build, err := os.MkdirTemp(dir, "build") // packages' tests run beside each other: the last one to finish wins
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(build)
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "go", "install", "github.com/nats-io/nats-server/v2@"+version)
	c.Env = append(os.Environ(), "GOBIN="+build, "GOFLAGS=", "GOOS=", "GOARCH=")
	c.Dir = build
	if out, err := c.CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("nats-server cannot be built: %v\n%s", err, out)
		}
		t.Skipf("nats-server cannot be built: %v\n%s", err, out)
	}
	if err := os.Rename(filepath.Join(build, "nats-server"), name); err != nil {
		t.Fatal(err)
	}
	return name
}

// Server is a running nats-server.
type Server struct {
	URL  string
	Port int
	Dir  string // of JetStream

	t      testing.TB
	host   string // "" = 127.0.0.1
	config string
	cmd    *exec.Cmd
}

// Start starts a server with JetStream on disk; extra are further lines of its
// configuration.
func Start(t testing.TB, extra string) *Server {
	t.Helper()
	s := &Server{t: t, Port: port.Free(t), Dir: t.TempDir()}
	s.URL = fmt.Sprintf("nats://127.0.0.1:%d", s.Port)
	s.configure(fmt.Sprintf("server_name: s%d\nlisten: 127.0.0.1:%d\njetstream { store_dir: %q, max_file: 4GB, max_mem: 64MB }\n%s\n", s.Port, s.Port, s.Dir, extra))
	s.Up()
	t.Cleanup(s.Kill)
	return s
}

// StartAt starts a server with JetStream that listens on an address of this machine.
func StartAt(t testing.TB, host string) *Server {
	t.Helper()
	s := &Server{t: t, Port: port.Free(t), Dir: t.TempDir(), host: host}
	s.URL = fmt.Sprintf("nats://%s:%d", host, s.Port)
	s.configure(fmt.Sprintf("listen: \"%s:%d\"\njetstream { store_dir: %q }\n", host, s.Port, s.Dir))
	s.Up()
	t.Cleanup(s.Kill)
	return s
}

// Plain starts a server without JetStream.
func Plain(t testing.TB, extra string) *Server {
	t.Helper()
	s := &Server{t: t, Port: port.Free(t)}
	s.URL = fmt.Sprintf("nats://127.0.0.1:%d", s.Port)
	s.configure(fmt.Sprintf("listen: 127.0.0.1:%d\n%s\n", s.Port, extra))
	s.Up()
	t.Cleanup(s.Kill)
	return s
}

// As is the server's URL with a user in it.
func (s *Server) As(user, password string) string {
	return fmt.Sprintf("nats://%s:%s@127.0.0.1:%d", user, password, s.Port)
}

// DialAs is Dial as a user.
func (s *Server) DialAs(user, password string) *nats.Conn {
	return s.Dial(nats.UserInfo(user, password))
}

// RootCA trusts a certificate.
func RootCA(file string) nats.Option { return nats.RootCAs(file) }

// Cluster starts three servers that know each other.
func Cluster(t testing.TB) []*Server {
	t.Helper()
	var list []*Server
	routes := ""
	ports := make([]int, 3)
	for i := range ports {
		ports[i] = port.Free(t)
		routes += fmt.Sprintf("\"nats://127.0.0.1:%d\",", ports[i])
	}
	for i := range ports {
		s := &Server{t: t, Port: port.Free(t), Dir: t.TempDir()}
		s.URL = fmt.Sprintf("nats://127.0.0.1:%d", s.Port)
		s.configure(fmt.Sprintf("server_name: n%d\nlisten: 127.0.0.1:%d\njetstream { store_dir: %q, max_file: 1GB, max_mem: 64MB }\ncluster { name: c, listen: \"127.0.0.1:%d\", routes: [%s ] }\n",
			i, s.Port, s.Dir, ports[i], routes))
		list = append(list, s)
	}
	for _, s := range list {
		s.launch()
		t.Cleanup(s.Kill)
	}
	for _, s := range list {
		s.await()
	}
	return list
}

func (s *Server) configure(text string) {
	s.config = filepath.Join(s.t.TempDir(), "nats.conf")
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) launch() {
	s.cmd = exec.Command(Binary(s.t), "-c", s.config)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getenv("TOPICD_TEST_NATS") != "" {
		s.cmd.Stderr = os.Stderr
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) await() {
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); {
		c, err := net.Dial("tcp", net.JoinHostPort(cmp.Or(s.host, "127.0.0.1"), strconv.Itoa(s.Port)))
		if err == nil {
			c.Close()
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	s.t.Fatal("nats-server does not listen")
}

// Up starts it again.
func (s *Server) Up() { s.launch(); s.await() }

// Kill ends it at once, without a word.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGCONT)
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// Signal sends it a signal.
func (s *Server) Signal(sig syscall.Signal) { _ = s.cmd.Process.Signal(sig) }

// PID is its process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Dial connects to it as a user of nats.go.
func (s *Server) Dial(opts ...nats.Option) *nats.Conn {
	s.t.Helper()
	nc, err := nats.Connect(s.URL, append([]nats.Option{nats.Timeout(time.Minute), nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond)}, opts...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	return nc
}

// API asks JetStream, and again while that fails: what was answered late is done by then,
// so that what can be done but once has time.
func API(t testing.TB, nc *nats.Conn, subject string, body any) map[string]any {
	t.Helper()
	var data []byte
	if body != nil {
		data, _ = json.Marshal(body)
	}
	var last any
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		m, err := nc.Request("$JS.API."+subject, data, 20*time.Second)
		if err != nil {
			last = err
			continue
		}
		var a map[string]any
		if err := json.Unmarshal(m.Data, &a); err != nil {
			t.Fatal(err)
		}
		if a["error"] == nil {
			return a
		}
		last = a["error"]
	}
	t.Fatalf("%s: %v", subject, last)
	return nil
}

// Stream makes a stream of sites' readings as an operator would.
func Stream(t testing.TB, nc *nats.Conn, name string, set map[string]any) {
	t.Helper()
	c := map[string]any{"name": name, "subjects": []string{"sites.*.up.>"}, "storage": "file", "num_replicas": 1, "retention": "limits", "discard": "old"}
	for k, v := range set {
		c[k] = v
	}
	API(t, nc, "STREAM.CREATE."+name, c)
}

// Message is what a stream holds.
type Message struct {
	Seq     uint64
	Subject string
	Header  nats.Header
	Data    []byte
}

// Read reads all of a stream that a subject fits.
func Read(t testing.TB, nc *nats.Conn, stream, subject string) (list []Message) {
	t.Helper()
	inbox := nats.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	_ = sub.SetPendingLimits(-1, -1)
	a := API(t, nc, "CONSUMER.CREATE."+stream, map[string]any{"stream_name": stream, "config": map[string]any{
		"deliver_subject": inbox, "deliver_policy": "all", "ack_policy": "none", "filter_subject": subject, "replay_policy": "instant", "num_replicas": 1,
	}})
	pending := int(a["num_pending"].(float64))
	if d, ok := a["delivered"].(map[string]any); ok {
		pending += int(d["consumer_seq"].(float64))
	}
	for len(list) < pending {
		m, err := sub.NextMsg(60 * time.Second)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(list), pending, err)
		}
		md, err := m.Metadata()
		if err != nil || md.Consumer != a["name"] { // of one that was made, and the answer came too late
			continue
		}
		list = append(list, Message{md.Sequence.Stream, m.Subject, m.Header, m.Data})
	}
	return list
}

// Msg makes a message with headers: names and values.
func Msg(subject, data string, header ...string) *nats.Msg {
	m := &nats.Msg{Subject: subject, Data: []byte(data), Header: nats.Header{}}
	for i := 0; i+1 < len(header); i += 2 {
		m.Header.Set(header[i], header[i+1])
	}
	return m
}
