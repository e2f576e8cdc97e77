//go:build unix

package store

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"topicd/node/nodetest/race"
)

func BenchmarkAppend(b *testing.B) {
	s := open(b, Options{Sync: time.Second, Pending: 64 << 20})
	defer s.Close()
	r := reading("plant/line1/temperature", s.Epoch(), 1, 100)
	b.ReportAllocs()
	for b.Loop() {
		r.Seq++
		if _, err := s.Append(r); err != nil {
			b.StopTimer()
			s.Sync()
			b.StartTimer()
		}
	}
}

// BenchmarkWaiting: publishers that each wait until their reading is on disk.
func BenchmarkWaiting(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := open(b, Options{Sync: 0})
			defer s.Close()
			var wg sync.WaitGroup
			for k := range n {
				wg.Add(1)
				go func() {
					defer wg.Done()
					r := reading(fmt.Sprint("t", k), s.Epoch(), 0, 100)
					for range b.N / n {
						r.Seq++
						put(b, s, r)
						if err := s.Sync(); err != nil {
							b.Error(err)
						}
					}
				}()
			}
			wg.Wait()
			b.ReportMetric(float64(s.Stats().Syncs)/float64(b.N), "fsyncs/op")
		})
	}
}

// BenchmarkGrowHistory reads pages of a topic from random numbers on, of logs of n
// MiB: what a page costs must not depend on how much there is. -short leaves the
// largest out.
func BenchmarkGrowHistory(b *testing.B) {
	for _, mib := range []int64{1, 16, 128, 1024} {
		if mib > 128 && testing.Short() {
			continue
		}
		b.Run(fmt.Sprint("n=", mib), func(b *testing.B) {
			s := open(b, Options{Sync: time.Second, Bytes: 2 << 30})
			defer s.Close()
			seq := uint64(0)
			for s.Stats().Bytes < mib<<20 {
				for range 1000 {
					seq++
					put(b, s, reading(fmt.Sprint("t", seq%16), 1, seq, 100))
				}
				s.Sync()
			}
			var p Page
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i++ {
				from := i*7919%(seq-2000) + 1
				if s.Read(fmt.Sprint("t", from%16), from, PageBytes, &p); len(p.Readings) < 80 {
					b.Fatal(len(p.Readings))
				}
			}
		})
	}
}

// Append allocates nothing for a topic that is known.
func TestAppendAllocatesNothing(t *testing.T) {
	s := open(t, Options{Sync: time.Hour, Pending: 8 << 20})
	defer s.Close()
	r := reading("plant/1", 1, 1, 100)
	for range 60000 { // the buffers have grown
		r.Seq++
		put(t, s, r)
	}
	s.Sync()
	for range 60000 {
		r.Seq++
		put(t, s, r)
	}
	s.Sync()
	if n := testing.AllocsPerRun(500, func() { r.Seq++; s.Append(r) }); n > 0.1 {
		t.Errorf("%v allocations", n)
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// busy is the time that this process has had of the processors.
func busy() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// 10,000 topics with 64 MiB on disk: opening takes a second of a processor at most,
// whatever others do meanwhile, memory is below 8 MiB and below Worst.
func TestOpenAndMemoryOfAFullStore(t *testing.T) {
	if testing.Short() || race.Enabled {
		t.Skip("writes 64 MiB, and measures")
	}
	dir := t.TempDir()
	o := Options{Dir: dir, Sync: 50 * time.Millisecond}
	const topics = 10000
	names := make([]string, topics)
	for i := range names {
		names[i] = fmt.Sprintf("plant/line%02d/cell%03d/temperature", i%40, i)
	}
	s := open(t, o)
	ep := s.Epoch()
	for seq := uint64(1); s.Stats().LostBytes < 1000; seq++ {
		for i := range names {
			put(t, s, reading(names[i], ep, seq, 100))
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = nil
	before := heap()
	start := busy()
	s = open(t, o)
	took := busy() - start
	s.Devices(func(string, []Seen) {})
	used := heap() - before
	worst := Worst(o, topics)
	t.Logf("%+v: opened in %v, heap %d KiB, Worst %d KiB", s.Stats(), took, used>>10, worst>>10)
	if used > 8<<20 || used > worst {
		t.Errorf("heap %d, Worst %d", used, worst)
	}
	if took > time.Second {
		t.Errorf("opened in %v", took)
	}
	var p Page
	for i := range 100 {
		if err := s.Read(names[i*97], 1, PageBytes, &p); err != nil || len(p.Readings) < 10 {
			t.Fatalf("%d readings %v", len(p.Readings), err)
		}
	}
	s.Close()
}

// What a reading of 100 bytes costs the device at 100 a second with an fsync a
// second, on ext4 on a loop device of its own, as long as the store fills and once it
// is full. TOPICD_STORE_DEVICE=seconds runs it.
func TestDeviceBytes(t *testing.T) {
	secs, _ := strconv.Atoi(os.Getenv("TOPICD_STORE_DEVICE"))
	if secs == 0 || os.Getuid() != 0 {
		t.Skip("needs root and TOPICD_STORE_DEVICE=seconds")
	}
	for _, mkfs := range [][]string{{"-b", "4096"}, {"-b", "1024"}} {
		for _, rate := range []int{10, 100, 1000} {
			for _, full := range []bool{false, true} {
				t.Log(mkfs[1], "byte blocks,", rate, "a second, full:", full, deviceBytes(t, mkfs, rate, secs, full), "bytes a reading")
			}
		}
	}
}

func deviceBytes(t *testing.T, mkfs []string, rate, secs int, full bool) int64 {
	run := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Fatal(name, args, err, string(out))
		}
		return strings.TrimSpace(string(out))
	}
	tmp := t.TempDir()
	img, mnt := filepath.Join(tmp, "img"), filepath.Join(tmp, "mnt")
	os.Mkdir(mnt, 0o700)
	if err := os.WriteFile(img, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	os.Truncate(img, 256<<20)
	run("mkfs.ext4", append(mkfs, "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", img)...)
	loop := run("losetup", "--find", "--show", img)
	defer exec.Command("losetup", "-d", loop).Run()
	run("mount", loop, mnt)
	defer exec.Command("umount", mnt).Run()
	s := open(t, Options{Dir: filepath.Join(mnt, "store"), Sync: time.Second, Bytes: 4 << 20})
	seq := uint64(0)
	next := func() {
		seq++
		put(t, s, reading(fmt.Sprint("plant/line", seq%8), 1, seq, 100))
	}
	for full && s.Stats().LostBytes < 10000 {
		for range 1000 {
			next()
		}
		s.Sync()
	}
	written := func() int64 {
		b, _ := os.ReadFile("/sys/block/" + filepath.Base(loop) + "/stat")
		n, _ := strconv.ParseInt(strings.Fields(string(b))[6], 10, 64)
		return n * 512
	}
	run("sync", "-f", mnt)
	before := written()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	n := int64(rate * secs)
	for range n {
		<-tick.C
		next()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return (written() - before) / n
}
