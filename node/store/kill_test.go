//go:build unix

package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// killEnv makes the test binary the child of a round; killRounds sets how many.
const (
	killEnv    = "TOPICD_STORE_CHILD"
	killRounds = "TOPICD_STORE_KILLS"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killEnv); dir != "" {
		killChild(dir)
		return
	}
	os.Exit(m.Run())
}

// killChild is a hub that publishes as fast as it can until it is killed. It
// tells each number before it appends ("g", sent to somebody) and when it is
// on disk ("a").
func killChild(dir string) {
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	changed := make(chan struct{}, 1)
	sync, _ := strconv.Atoi(os.Getenv("TOPICD_STORE_SYNC"))
	s, err := Open(Options{Dir: dir, Bytes: 2 << 20, Sync: time.Duration(sync) * time.Millisecond, Changed: func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	ep, next := map[string]uint64{}, map[string]uint64{}
	s.Topics(func(i TopicInfo) {
		ep[i.Name], next[i.Name] = i.Ep, i.Next
		fmt.Fprintln(out, "n", i.Name, i.Ep, i.Next)
	})
	fmt.Fprintln(out, "e", s.Epoch(), 0, 0)
	var wait []*Reading
	for i := 0; ; i++ {
		name := fmt.Sprint("t", rand.Intn(8))
		if ep[name] == 0 {
			ep[name], next[name] = s.Epoch(), 1
		}
		r := reading(name, ep[name], next[name], rand.Intn(200))
		next[name]++
		fmt.Fprintln(out, "g", r.Topic, r.Ep, r.Seq)
		if r.Place, _ = s.Append(r); r.Place > 0 {
			wait = append(wait, r)
		}
		if i%64 == 0 {
			out.Flush() // what was given is told before it can be on disk
			if len(wait) > 2000 {
				<-changed
			}
			for len(wait) > 0 && s.Status(wait[0].Place) == Synced {
				fmt.Fprintln(out, "a", wait[0].Topic, wait[0].Ep, wait[0].Seq)
				wait = wait[1:]
			}
		}
	}
}

type killModel struct {
	given, acked map[string]map[uint64]bool
	epochs       map[uint64]bool
}

func newKillModel() *killModel {
	return &killModel{map[string]map[uint64]bool{}, map[string]map[uint64]bool{}, map[uint64]bool{}}
}

// heard is what a child said; acked is closed when it has said that something is on disk.
type heard struct {
	all   []byte
	acked chan struct{}
	told  bool
}

func (h *heard) Write(b []byte) (int, error) {
	h.all = append(h.all, b...)
	if !h.told && bytes.Count(h.all, []byte("\na ")) > 1 { // the first of them is whole
		h.told = true
		close(h.acked)
	}
	return len(b), nil
}

// round starts a child and kills it at some moment: from its start on, or from where it
// has said that something is on disk, however long that takes.
func (m *killModel) round(t *testing.T, dir string, rnd *rand.Rand, acked bool) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killEnv+"="+dir, fmt.Sprint("TOPICD_STORE_SYNC=", rnd.Intn(4)*3))
	out := heard{acked: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if acked {
		select {
		case <-out.acked:
		case <-time.After(time.Minute):
			t.Error("nothing was acknowledged in a minute")
		}
	}
	time.Sleep(time.Duration(20+rnd.Intn(130)) * time.Millisecond) // the moment of the kill is the test's input
	_ = cmd.Process.Signal(syscall.SIGKILL)
	_ = cmd.Wait()
	for _, line := range bytes.SplitAfter(out.all, []byte("\n")) {
		var what, topic string
		var ep, seq uint64
		if !bytes.HasSuffix(line, []byte("\n")) {
			continue // cut by the kill
		}
		f := bytes.Fields(line)
		if len(f) == 4 {
			what, topic = string(f[0]), string(f[1])
			ep, _ = strconv.ParseUint(string(f[2]), 10, 64)
			seq, _ = strconv.ParseUint(string(f[3]), 10, 64)
		}
		m.line(t, what, topic, ep, seq)
	}
}

func (m *killModel) line(t *testing.T, what, topic string, ep, seq uint64) {
	key := topicEp(topic, ep)
	if m.given[key] == nil {
		m.given[key], m.acked[key] = map[uint64]bool{}, map[uint64]bool{}
	}
	switch what {
	case "n":
		for old := range m.given[key] {
			if old >= seq {
				t.Fatalf("%s goes on with %d, %d was given", key, seq, old)
			}
		}
	case "e":
		e, _ := strconv.ParseUint(topic, 10, 64)
		if m.epochs[e] {
			t.Fatalf("epoch %d again", e)
		}
		m.epochs[e] = true
	case "g":
		if m.given[key][seq] {
			t.Fatalf("%s: %d given again", key, seq)
		}
		m.given[key][seq] = true
	case "a":
		m.acked[key][seq] = true
	default:
		t.Fatalf("child said %q", what)
	}
}

// check opens the store after a kill: what was acknowledged is there, but for
// what went by the bound, and nothing is there that was not given.
func (m *killModel) check(t *testing.T, dir string) (acked int) {
	to := t.TempDir()
	copyDir(t, dir, to)
	s := open(t, Options{Dir: to, Bytes: 2 << 20, Sync: time.Hour})
	defer s.Close()
	gone := 0
	for key, seqs := range m.acked {
		if len(seqs) == 0 {
			continue // killed before the first was on disk: the next round begins the topic anew
		}
		var topic string
		var ep uint64
		fmt.Sscanf(key, "t%d#%d", new(int), &ep)
		topic = key[:bytes.IndexByte([]byte(key), '#')]
		got, newest, last := map[uint64]bool{}, uint64(0), uint64(0)
		for _, r := range all(t, s, topic, 1) {
			if r.Ep != ep || r.Seq <= last {
				t.Fatalf("%s: %d#%d after %d", key, r.Seq, r.Ep, last)
			}
			want := reading(topic, ep, r.Seq, 0)
			if !bytes.HasPrefix(r.Data, want.Data) {
				t.Fatalf("%s: %d is %q", key, r.Seq, r.Data)
			}
			got[r.Seq], last = true, r.Seq
		}
		for seq := range seqs {
			acked++
			newest = max(newest, seq)
			if !got[seq] {
				gone++
			}
		}
		if last < newest {
			t.Fatalf("%s: the newest acknowledged %d is gone", key, newest)
		}
	}
	st := s.Stats()
	if st.LostDamaged > 0 || gone > 0 && uint64(gone) > st.LostBytes {
		t.Fatalf("%d acknowledged readings gone: %+v", gone, st)
	}
	return acked
}

// kill -9 in rounds under load: nothing acknowledged is lost or renumbered,
// none comes twice, no number and no epoch is given again.
func TestKill(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	if n, err := strconv.Atoi(os.Getenv(killRounds)); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	m := newKillModel()
	rnd := rand.New(rand.NewSource(time.Now().UnixNano()))
	acked := 0
	for i := range rounds {
		m.round(t, dir, rnd, i%2 == 0)
		acked = m.check(t, dir)
		if n := tree(t, dir); n > 2<<20 {
			t.Fatalf("%d bytes", n)
		}
	}
	given := 0
	for _, g := range m.given {
		given += len(g)
	}
	if acked == 0 {
		t.Error("nothing was acknowledged in any round")
	}
	t.Logf("%d rounds, %d given, %d acknowledged", rounds, given, acked)
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	_, err := Open(Options{Dir: dir})
	if !errors.Is(err, ErrLocked) || !bytes.Contains([]byte(err.Error()), fmt.Append(nil, os.Getpid())) {
		t.Fatal(err)
	}
	if err := Restore(dir, bytes.NewReader(nil)); !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, Options{Dir: dir}).Close()
}
