package main

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// watch keeps peak and late until it is stopped.
func (s *siege) watch(t *testing.T) (stop func()) {
	done := make(chan bool)
	var end sync.WaitGroup
	end.Go(func() {
		for {
			now, _ := s.h.rss(t)
			s.peak.Store(max(s.peak.Load(), now))
			began := time.Now()
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
				s.late.Store(max(s.late.Load(), int64(time.Since(began)-20*time.Millisecond)))
			}
		}
	})
	return func() {
		close(done)
		end.Wait()
	}
}

// mostRSS is what the process may take. TLS keeps some 15 KB for a connection,
// of which there are up to 500. Durable topics take up to 8 MiB beside the disk
// (store.Worst): 16 peers that publish to them and read no answer took 36.1 MiB.
// MQTT's attacks may fill the arena of 16 MiB as well, which the others leave half empty:
// how far depends on how many messages of 60 KB are retained before those of 900 KB
// come. Where it was full they took 43.6 MiB, 44.9 over TLS, 35 where it was not.
func (s *siege) mostRSS() (n int64) {
	n = 32 << 20
	if s.tls || s.disk {
		n = 40 << 20
	}
	if s.filled {
		n = 48 << 20
	}
	return n
}

// mostSilence is 250 ms where the processors are free. In make test other tests
// take them, and the canary itself waits for its turn: what an attack itself did for
// a moment is seen by make attack.
func (s *siege) mostSilence() time.Duration {
	if s.full {
		return 250 * time.Millisecond
	}
	return 10 * time.Second
}

// settle waits until the hub is as it was.
func (s *siege) settle(t *testing.T) {
	began := time.Now()
	defer func() { t.Logf("descriptors as before after %v", time.Since(began).Round(time.Millisecond)) }()
	deadline := began.Add(60 * time.Second) // 30 s may a socket take nothing
	for s.descriptors() > s.fds+2 {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors are open, %d before", s.descriptors(), s.fds)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *siege) descriptors() int {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.h.cmd.Process.Pid))
	if err != nil {
		s.Fatal(err)
	}
	return len(list)
}
