package supervisor

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestThreadsOfARushEnd: what stood in the kernel all at once leaves threads, and they end.
func TestThreadsOfARushEnd(t *testing.T) {
	const many = 60
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fd := int(r.Fd()) // it blocks from here on
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			var b [1]byte
			_, _ = syscall.Read(fd, b[:])
		})
	}
	threads := func() int {
		n, _ := runtime.ThreadCreateProfile(nil)
		return n
	}
	await := func(what string, done func() bool) {
		for end := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %d threads", what, threads())
			}
		}
	}
	await("the rush", func() bool { return threads() >= many })
	_ = w.Close() // all of them read that
	all.Wait()
	await("after it", func() bool {
		EndThreads()
		return threads() < many/2+2*runtime.GOMAXPROCS(0)
	})
}
