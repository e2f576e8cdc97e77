package uplink

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"topicd/codec"
	"topicd/node"
	"topicd/node/store"
	"topicd/node/uplink/natstest"
)

// A hub of its own process, so that it can be killed: 200 readings a second of 50
// topics, and a line for each that is on disk.
func TestMain(m *testing.M) {
	if os.Getenv("TOPICD_UPLINK_CHILD") != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

type childT struct {
	testing.TB
	ends []func()
}

func (c *childT) Helper()          {}
func (c *childT) Fatal(a ...any)   { fmt.Fprintln(os.Stderr, a...); os.Exit(1) }
func (c *childT) Error(a ...any)   { fmt.Fprintln(os.Stderr, a...) }
func (c *childT) Cleanup(f func()) { c.ends = append(c.ends, f) }

const chaosTopics = 50

func child() {
	t := &childT{}
	o := Options{URLs: strings.Fields(os.Getenv("TOPICD_URLS")), Site: "farm7", Stream: "SITES"}
	g := newGateway(t, os.Getenv("TOPICD_DIR"), o, store.Options{Sync: 50 * time.Millisecond})
	var ending sync.WaitGroup
	stop := make(chan bool)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the parent closes it: no more readings
		close(stop)
	}()
	type waits struct {
		topic string
		p     node.Published
	}
	var list []waits
	out := bufio.NewWriter(os.Stdout)
	tick := time.NewTicker(5 * time.Millisecond)
	for i, open := 0, true; open || len(list) > 0; i++ {
		select {
		case <-stop:
			open = false
			time.Sleep(10 * time.Millisecond)
		case <-tick.C:
			topic := fmt.Sprintf("plant/%d/temp", rand.IntN(chaosTopics))
			g.hub.Tick(g.turn)
			if p, err := g.sess.Publish([]byte(topic), node.Body{Enc: codec.JSON, Data: fmt.Appendf(nil, `{"i":%d}`, i)}, 0, g.turn); err == nil && p.Unkept == nil {
				list = append(list, waits{topic, p})
			}
		}
		for len(list) > 0 {
			if done, _ := g.disk.Committed(list[0].p.Commit); !done {
				break
			}
			tp, _ := g.disk.Store.Topic(list[0].topic)
			fmt.Fprintf(out, "%s %d %d\n", list[0].topic, tp.Ep, list[0].p.Seq)
			list = list[1:]
		}
		out.Flush()
	}
	ending.Wait()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if st := g.up.Status(); st.PendingReadings == 0 && st.State == Up {
			break
		}
	}
	b, _ := json.Marshal(g.up.Status())
	fmt.Fprintf(os.Stderr, "child: %s\n", b)
	g.stop()
}

// chaos is what is done to whom.
type chaos struct {
	t    *testing.T
	dir  string
	urls string

	within []string // a command that the hub runs under

	mu    sync.Mutex
	acked map[string]map[string][]uint64 // topic, epoch: numbers on disk
	n     int
	cmd   *exec.Cmd
	in    io.Closer
	read  chan bool
}

func (c *chaos) start() {
	args := append(c.within[:len(c.within):len(c.within)], os.Args[0])
	c.cmd = exec.Command(args[0], args[1:]...)
	c.cmd.Env = append(os.Environ(), "TOPICD_UPLINK_CHILD=1", "TOPICD_URLS="+c.urls, "TOPICD_DIR="+c.dir)
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.in, _ = c.cmd.StdinPipe()
	out, _ := c.cmd.StdoutPipe()
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.read = make(chan bool)
	go func() {
		defer close(c.read)
		for s := bufio.NewScanner(out); s.Scan(); {
			f := strings.Fields(s.Text())
			if len(f) != 3 {
				continue
			}
			seq, err := strconv.ParseUint(f[2], 10, 64)
			if err != nil {
				continue
			}
			c.mu.Lock()
			if c.acked[f[0]] == nil {
				c.acked[f[0]] = map[string][]uint64{}
			}
			c.acked[f[0]][f[1]] = append(c.acked[f[0]][f[1]], seq)
			c.n++
			c.mu.Unlock()
		}
	}()
}

func (c *chaos) kill() {
	_ = c.cmd.Process.Kill()
	<-c.read
	_ = c.cmd.Wait()
}

// end lets the hub send what it has, and ends it.
func (c *chaos) end() {
	c.in.Close()
	select {
	case <-c.read:
	case <-time.After(3 * time.Minute):
		c.t.Error("the hub does not end")
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Error(err)
	}
}

// verify: the stream holds each reading that was on disk exactly once, in order per
// topic.
func (c *chaos) verify(list []natstest.Message) {
	c.t.Helper()
	type key struct {
		topic, ep string
		seq       uint64
	}
	seen := map[key]uint64{}
	last := map[string][2]uint64{}
	doubled, disorder := 0, 0
	for _, m := range list {
		topic, _ := Topic(strings.TrimPrefix(m.Subject, "sites.farm7.up."))
		ep, _ := strconv.ParseUint(m.Header.Get("Topicd-Ep"), 10, 64)
		seq, _ := strconv.ParseUint(m.Header.Get("Topicd-Seq"), 10, 64)
		k := key{topic, m.Header.Get("Topicd-Ep"), seq}
		if at := seen[k]; at > 0 {
			if doubled++; doubled < 5 {
				c.t.Errorf("%v twice: %d and %d", k, at, m.Seq)
			}
		}
		seen[k] = m.Seq
		if l := last[topic]; ep < l[0] || ep == l[0] && seq <= l[1] {
			if disorder++; disorder < 5 {
				c.t.Errorf("%v behind %v", k, l)
			}
		}
		last[topic] = [2]uint64{ep, seq}
	}
	missing := 0
	for topic, eps := range c.acked {
		for ep, seqs := range eps {
			for _, seq := range seqs {
				if seen[key{topic, ep, seq}] == 0 {
					if missing++; missing < 10 {
						c.t.Errorf("%s %s %d is missing", topic, ep, seq)
					}
				}
			}
		}
	}
	c.t.Logf("%d readings on disk, %d in the stream; %d missing, %d twice, %d out of order", c.n, len(list), missing, doubled, disorder)
	if c.n < 100 {
		c.t.Error("too few readings to say anything")
	}
}

// outage is how long each trouble lasts: longer than the duplicate window of 2 s. With
// TOPICD_UPLINK_LONG=5m they go on for so long.
func rounds(t *testing.T) (until time.Time, outage func() time.Duration) {
	d, _ := time.ParseDuration(os.Getenv("TOPICD_UPLINK_LONG"))
	if d == 0 {
		return time.Now(), func() time.Duration { return 2500 * time.Millisecond }
	}
	return time.Now().Add(d), func() time.Duration { return time.Second + time.Duration(rand.Int64N(int64(9*time.Second))) }
}

func TestExactlyOnceWhateverFails(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute")
	}
	s := natstest.Start(t, "")
	nc := s.Dial()
	natstest.Stream(t, nc, "SITES", map[string]any{"duplicate_window": int64(2 * time.Second)})
	p := natstest.NewProxy(t, s.Port)
	c := &chaos{t: t, dir: t.TempDir(), urls: p.URL, acked: map[string]map[string][]uint64{}}
	copied := filepath.Join(t.TempDir(), "copy")
	until, outage := rounds(t)
	c.start()
	steps := []struct {
		name string
		do   func()
	}{
		{"the server is killed", func() { s.Kill(); time.Sleep(outage()); s.Up() }},
		{"the server is stopped", func() { s.Signal(syscall.SIGSTOP); time.Sleep(outage() + ackWait); s.Signal(syscall.SIGCONT) }},
		{"the hub is killed", func() { c.kill(); c.start() }},
		{"the line is cut", func() { p.Cut(true); time.Sleep(outage()); p.Cut(false) }},
		{"the line is cut and the hub killed", func() { p.Cut(true); time.Sleep(outage()); c.kill(); p.Cut(false); c.start() }},
		{"the server is restored from an older copy", func() {
			s.Kill()
			if err := exec.Command("cp", "-a", s.Dir, copied).Run(); err != nil {
				t.Fatal(err)
			}
			s.Up()
			time.Sleep(outage())
			s.Kill()
			_ = os.RemoveAll(s.Dir)
			if err := os.Rename(copied, s.Dir); err != nil {
				t.Fatal(err)
			}
			s.Up()
		}},
		{"the stream is removed and made anew", func() {
			natstest.API(t, nc, "STREAM.DELETE.SITES", nil)
			time.Sleep(outage())
			natstest.Stream(t, nc, "SITES", map[string]any{"allow_direct": true, "duplicate_window": int64(2 * time.Second)})
		}},
	}
	for i := 0; i < len(steps) || time.Now().Before(until); i++ {
		time.Sleep(time.Second)
		n := i
		if i >= len(steps) {
			n = rand.IntN(len(steps))
		}
		t.Log(steps[n].name)
		steps[n].do()
	}
	time.Sleep(time.Second)
	c.end()
	c.verify(natstest.Read(t, nc, "SITES", "sites.farm7.up.>"))
}

func TestAClusterLosesItsLeader(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute")
	}
	cluster := natstest.Cluster(t)
	var urls []string
	for _, s := range cluster {
		urls = append(urls, s.URL)
	}
	nc, err := nats.Connect(strings.Join(urls, ","), nats.Timeout(patience), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	natstest.Stream(t, nc, "SITES", map[string]any{"num_replicas": 3, "allow_direct": true, "duplicate_window": int64(2 * time.Second)})
	c := &chaos{t: t, dir: t.TempDir(), urls: strings.Join(urls, " "), acked: map[string]map[string][]uint64{}}
	until, outage := rounds(t)
	c.start()
	leader := func() *natstest.Server {
		info := natstest.API(t, nc, "STREAM.INFO.SITES", nil)
		name, _ := info["cluster"].(map[string]any)["leader"].(string)
		for i, s := range cluster {
			if name == fmt.Sprintf("n%d", i) {
				return s
			}
		}
		return cluster[0]
	}
	for i := 0; i < 3 || time.Now().Before(until); i++ {
		time.Sleep(time.Second)
		s := leader()
		switch i % 3 {
		case 0:
			t.Log("the leader is killed")
			s.Kill()
			time.Sleep(outage())
			s.Up()
		case 1:
			t.Log("the leader is stopped")
			s.Signal(syscall.SIGSTOP)
			time.Sleep(outage() + ackWait)
			s.Signal(syscall.SIGCONT)
		case 2:
			t.Log("the leader steps down")
			natstest.API(t, nc, "STREAM.LEADER.STEPDOWN.SITES", nil)
		}
	}
	time.Sleep(time.Second)
	c.end()
	c.verify(natstest.Read(t, nc, "SITES", "sites.farm7.up.>"))
}
