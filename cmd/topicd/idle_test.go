package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A hub that has nothing to do lets its board sleep: it wakes less than twice a
// second, whatever the number of processors, its own sensors included.
func TestIdleHubSleeps(t *testing.T) {
	processes(t)
	const during, every = 6 * time.Second, 20 * time.Millisecond
	var hubs []*hubProcess
	for _, procs := range []string{"1", "4"} {
		t.Setenv("GOMAXPROCS", procs)
		hubs = append(hubs, serveProcess(t, nil, binary(t, "amd64")))
	}
	time.Sleep(5 * time.Second) // the start is over, and the first round of sensors
	wakes := make([]int, len(hubs))
	was := make([]doing, len(hubs))
	for began := time.Now(); time.Since(began) < during; time.Sleep(every) {
		for i, h := range hubs {
			is := doings(t, h.cmd.Process.Pid)
			is.awake = is.awake || is.switches != was[i].switches
			if is.stopped || was[i].stopped { // by somebody: that is no wake
				is.awake = was[i].awake
			}
			if is.awake && !was[i].awake {
				wakes[i]++
			}
			was[i] = is
		}
	}
	for i, h := range hubs {
		if most := int(2 * during / time.Second); wakes[i] > most {
			t.Errorf("hub %d woke %d times in %v, at most %d are allowed", i, wakes[i], during, most)
		}
		t.Logf("hub %d woke %d times in %v", i, wakes[i], during)
		h.stop(t)
	}
}

// doing is what a process does at a moment. It is awake from when it is given a processor
// until all of it sleeps: on a busy machine it waits for one again and again meanwhile.
type doing struct {
	switches       int64 // how often its threads went to sleep
	awake, stopped bool
}

func doings(t *testing.T, pid int) (d doing) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatal(err, "the hub is gone")
	}
	for _, f := range files {
		text, _ := os.ReadFile(f) // a thread may end meanwhile
		for _, l := range strings.Split(string(text), "\n") {
			var n int64
			var state string
			if k, _ := fmt.Sscanf(l, "voluntary_ctxt_switches: %d", &n); k == 1 {
				d.switches += n
			}
			if k, _ := fmt.Sscanf(l, "State: %s", &state); k == 1 {
				d.awake = d.awake || state == "R" || state == "D"
				d.stopped = d.stopped || state == "T"
			}
		}
	}
	return d
}
