//go:build linux

package store

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// lazyFS mounts LazyFS (https://github.com/dsrhaslab/lazyfs), a file system over FUSE
// that keeps what was not synced in a cache of its own, and returns where, and what
// drops that cache as a power cut does.
func lazyFS(t *testing.T, bin string) (mnt string, cut func()) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"mnt", "root"} {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf("[faults]\nfifo_path=%q\nfifo_path_completed=%q\n[cache]\napply_eviction=false\n[cache.simple]\ncustom_size=\"256mb\"\nblocks_per_page=1\n[filesystem]\nlog_all_operations=false\nlogfile=\"\"\n", at("faults"), at("done"))
	if err := os.WriteFile(at("config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfifo", at("faults"), at("done")).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	open := func(name string) *os.File {
		f, err := os.OpenFile(at(name), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	faults, done := open("faults"), open("done")
	cmd := exec.Command(bin, at("mnt"), "--config-path", at("config"), "-o", "allow_other", "-o", "modules=subdir", "-o", "subdir="+at("root"), "-f")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("fusermount3", "-u", at("mnt")).Run()
		_ = cmd.Wait()
	})
	for range 2000 {
		if b, _ := os.ReadFile("/proc/self/mountinfo"); bytes.Contains(b, []byte(at("mnt"))) {
			return at("mnt"), func() {
				if _, err := faults.WriteString("lazyfs::clear-cache\n"); err != nil {
					t.Fatal(err)
				}
				if n, err := done.Read(make([]byte, 1000)); n == 0 || err != nil {
					t.Fatal("LazyFS does not answer: ", err)
				}
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("LazyFS is not mounted")
	return "", nil
}

// kill -9 and then a power cut, on a file system that forgets what was not synced.
func TestPowerCutsOnLazyFS(t *testing.T) {
	bin := os.Getenv("TOPICD_LAZYFS")
	if bin == "" {
		t.Skip("TOPICD_LAZYFS=…/lazyfs/build/lazyfs runs it, as root or with user_allow_other")
	}
	mnt, cut := lazyFS(t, bin)
	dir := filepath.Join(mnt, "store")
	m := newKillModel()
	rnd := rand.New(rand.NewSource(time.Now().UnixNano()))
	rounds, _ := strconv.Atoi(os.Getenv(killRounds))
	acked := 0
	for i := range max(rounds, 20) {
		m.round(t, dir, rnd, i%2 == 0)
		cut()
		acked = m.check(t, dir)
	}
	if acked == 0 {
		t.Error("nothing was acknowledged in any round")
	}
	t.Logf("%d rounds, %d acknowledged", max(rounds, 20), acked)
}
