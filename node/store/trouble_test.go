package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"topicd/codec"
)

// clock is a monotonic clock that the test moves. The writer is poked, for it
// sleeps by the real one.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Duration { return time.Duration(c.at.Load()) }

func (c *clock) forward(s *Store, d time.Duration) {
	c.at.Add(int64(d))
	s.poke()
}

// until waits for ok, which Changed announces.
func until(t testing.TB, changed chan struct{}, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !ok() {
		select {
		case <-changed:
		case <-deadline:
			t.Fatal("waited in vain until ", what)
		}
	}
}

func watched(o Options) (Options, chan struct{}) {
	changed := make(chan struct{}, 1)
	o.Changed = func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	return o, changed
}

// A disk that is full or fails: what waits has failed at once, new readings are
// refused with the code and a retry within 10 s, and when there is room again
// all that was taken is written in order, none twice.
func TestTroubleAndBack(t *testing.T) {
	for _, c := range []struct {
		name, op string
		err      error
		state    Trouble
		code     int
	}{
		{"full", "write", syscall.ENOSPC, Full, codec.CodeNoRoom},
		{"quota", "write", syscall.EDQUOT, Full, codec.CodeNoRoom},
		{"write", "write", syscall.EIO, Failing, codec.CodeGoingAway},
		{"fsync", "sync", syscall.EIO, Failing, codec.CodeGoingAway},
		{"directory", "syncdir", syscall.EIO, Failing, codec.CodeGoingAway},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, mono := newMemFS(1), &clock{}
			o, changed := watched(Options{Dir: "d", FS: m, Mono: mono.now, Log: testLog(t)})
			s := open(t, o)
			for i := range uint64(100) {
				put(t, s, reading("a", 1, i+1, 100))
			}
			if err := s.Sync(); err != nil {
				t.Fatal(err)
			}
			m.mu.Lock()
			m.fail = func(op, name string) error {
				if op == c.op || op == "sync" && c.op == "syncdir" && strings.HasSuffix(name, "01.seg") {
					return c.err
				}
				return nil
			}
			m.mu.Unlock()
			p := put(t, s, reading("a", 1, 101, 100))
			mono.forward(s, time.Second)
			until(t, changed, "it has failed", func() bool { return s.Status(p) == Failed })
			if st := s.State(); st.Trouble != c.state || st.Reason == "" || s.Err().Code != c.code {
				t.Fatalf("%+v %v", st, s.Err())
			}
			_, err := s.Append(reading("a", 1, 102, 100))
			if err == nil || err.Code != c.code || err.Retry <= 0 || err.Retry > 10000 {
				t.Fatal(err)
			}
			if got := all(t, s, "a", 1); len(got) != 101 {
				t.Fatalf("%d readings in trouble", len(got))
			}
			m.mu.Lock()
			m.fail = nil
			m.mu.Unlock()
			mono.forward(s, 10*time.Second)
			until(t, changed, "it writes again", func() bool { return s.State().Trouble == OK && s.Status(p) == Synced })
			put(t, s, reading("a", 1, 103, 100))
			if err := s.Sync(); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			m.crash()
			m.boot()
			s = open(t, o)
			defer s.Close()
			if got := all(t, s, "a", 1); len(got) != 102 || got[100].Seq != 101 || got[101].Seq != 103 {
				t.Fatalf("%d readings after it", len(got))
			}
		})
	}
}

// The fsync that failed is not tried again on the same pages: the file system
// of this test has lost them and would say yes.
func TestFailedSyncGoesToAnotherSegment(t *testing.T) {
	m, mono := newMemFS(1), &clock{}
	o, changed := watched(Options{Dir: "d", FS: m, Mono: mono.now})
	s := open(t, o)
	put(t, s, reading("a", 1, 1, 100))
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	m.mu.Lock()
	m.fail = func(op, _ string) (err error) {
		if op == "sync" {
			once.Do(func() { err = syscall.EIO })
		}
		return err
	}
	m.mu.Unlock()
	p := put(t, s, reading("a", 1, 2, 100))
	mono.forward(s, time.Second)
	until(t, changed, "it is synced", func() bool { return s.Status(p) == Synced })
	if s.State().Trouble != OK || s.Stats().Segments != 2 {
		t.Fatalf("%+v %+v", s.State(), s.Stats())
	}
	m.crash()
	m.boot()
	s.Close()
	m.boot()
	s = open(t, o)
	defer s.Close()
	if got := all(t, s, "a", 1); len(got) != 2 {
		t.Fatalf("%d readings", len(got))
	}
}

// A clean end after trouble remembers the numbers that were refused.
func TestRefusedNumbersAreNotGivenAgain(t *testing.T) {
	m, mono := newMemFS(1), &clock{}
	o, changed := watched(Options{Dir: "d", FS: m, Mono: mono.now})
	s := open(t, o)
	m.mu.Lock()
	m.fail = func(op, _ string) error { return map[bool]error{true: syscall.ENOSPC}[op == "write"] }
	m.mu.Unlock()
	p := put(t, s, reading("a", 1, 1, 10))
	mono.forward(s, time.Second)
	until(t, changed, "trouble", func() bool { return s.Status(p) == Failed })
	for seq := uint64(2); seq < 50; seq++ {
		if _, err := s.Append(reading("a", 1, seq, 10)); err == nil {
			t.Fatal("taken")
		}
	}
	m.boot()
	mono.forward(s, 10*time.Second)
	until(t, changed, "it writes again", func() bool { return s.Status(p) == Synced })
	for range 3 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, o)
		if i, _ := s.Topic("a"); i.Next != 50 || i.Last != 1 {
			t.Fatalf("%+v", i)
		}
	}
	s.Close()
}

// A small tmpfs that another file fills.
func TestFullTmpfs(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "topicd-test", dir).CombinedOutput(); err != nil {
		t.Skip("cannot mount a tmpfs: ", string(bytes.TrimSpace(out)))
	}
	t.Cleanup(func() { _ = exec.Command("umount", dir).Run() })
	mono := &clock{}
	o, changed := watched(Options{Dir: filepath.Join(dir, "store"), Mono: mono.now})
	s := open(t, o)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 700<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	var last Place
	var seq uint64
	until(t, changed, "it is full", func() bool {
		for range 500 {
			seq++
			if p, err := s.Append(reading("a", 1, seq, 100)); err == nil {
				last = p
			}
		}
		mono.forward(s, time.Second)
		return s.State().Trouble == Full
	})
	if s.Err().Code != codec.CodeNoRoom {
		t.Fatal(s.Err())
	}
	held := len(all(t, s, "a", 1))
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	mono.forward(s, 10*time.Second)
	until(t, changed, "it writes again", func() bool { mono.forward(s, time.Second); return s.State().Trouble == OK && s.Status(last) == Synced })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, o)
	defer s.Close()
	if got := len(all(t, s, "a", 1)); got != held {
		t.Fatalf("%d readings, %d before", got, held)
	}
}

// Directories that cannot be used are named at Open.
func TestDirectoriesThatCannotBeUsed(t *testing.T) {
	m := newMemFS(1)
	for err, word := range map[error]string{syscall.EACCES: "somebody else", syscall.EROFS: "read-only"} {
		m.fail = func(op, _ string) error { return map[bool]error{true: err}[op == "mkdir"] }
		if _, got := Open(Options{Dir: "d", FS: m}); got == nil || !errors.Is(got, err) || !strings.Contains(got.Error(), word) {
			t.Fatal(got)
		}
	}
	m.fail = func(op, _ string) error { return map[bool]error{true: syscall.EINVAL}[op == "syncdir"] }
	s := open(t, Options{Dir: "d", FS: m})
	put(t, s, reading("a", 1, 1, 10))
	if err := s.Sync(); err != nil {
		t.Fatal("without fsync of directories: ", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A store that begins on a full disk opens, refuses, and writes when it can.
func TestOpenOnAFullDisk(t *testing.T) {
	m, mono := newMemFS(1), &clock{}
	m.fail = func(op, _ string) error { return map[bool]error{true: syscall.ENOSPC}[op == "write"] }
	o, changed := watched(Options{Dir: "d", FS: m, Mono: mono.now, Wall: func() int64 { return 5 }})
	s := open(t, o)
	first := s.Epoch()
	if _, err := s.Append(reading("a", 1, 1, 10)); err == nil || err.Code != codec.CodeNoRoom {
		t.Fatal(err)
	}
	tried := s.Stats().ErrFull
	mono.forward(s, 10*time.Second)
	until(t, changed, "it tries again", func() bool { return s.Stats().ErrFull > tried || s.State().Trouble == OK })
	if s.State().Trouble == OK { // nothing waited, and nothing was written
		t.Error("it writes again, says the store, and the disk is full")
	}
	m.crash()
	s.Close()
	m.boot()
	s = open(t, o)
	if s.Epoch() <= first && first-s.Epoch() < EpochRoom || s.Epoch() > first && s.Epoch()-first < EpochRoom {
		t.Fatalf("epochs %d and %d", first, s.Epoch())
	}
	p := put(t, s, reading("a", 1, 1, 10))
	mono.forward(s, time.Second)
	until(t, changed, "synced", func() bool { return s.Status(p) == Synced })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// 64 publishers that wait share fsyncs.
func TestGroupCommit(t *testing.T) {
	s := open(t, Options{Sync: 0})
	defer s.Close()
	var wg sync.WaitGroup
	for k := range 64 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range uint64(20) {
				put(t, s, reading(fmt.Sprint("t", k), 1, i+1, 100))
				if err := s.Sync(); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	if n := s.Stats().Syncs; n > 64*20/4 {
		t.Errorf("%d fsyncs for %d readings", n, 64*20)
	}
}
