package store

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"topicd/node/nodetest/race"
)

// world is what the model remembers over all crashes of a store.
type world struct {
	t     testing.TB
	fs    *memFS
	rnd   *rand.Rand
	s     *Store
	opt   Options
	ep    map[string]uint64            // topic's epoch
	next  map[string]uint64            // number that the hub would hand out next
	given map[string]map[uint64][]byte // topic#epoch → number → body, ever sent to anybody
	acked map[string]map[uint64]bool   // told as synced
	wait  []waiting
	place Place
	acks  map[string]uint64 // cursor's acks told as synced
	eps   map[uint64]bool
	lives uint64
	late  atomic.Int64 // seconds that the store's clock is ahead of the real one
	why   []string     // acknowledged and gone
}

type waiting struct {
	place Place
	topic string
	ep    uint64
	seq   uint64
}

func topicEp(topic string, ep uint64) string { return fmt.Sprintf("%s#%d", topic, ep) }

func newWorld(t testing.TB, seed int64, bytes int64) *world {
	w := &world{t: t, fs: newMemFS(seed), rnd: rand.New(rand.NewSource(seed)), ep: map[string]uint64{}, next: map[string]uint64{},
		given: map[string]map[uint64][]byte{}, acked: map[string]map[uint64]bool{}, acks: map[string]uint64{}, eps: map[uint64]bool{},
		opt: Options{Dir: "d", Bytes: bytes, Sync: time.Millisecond, Wall: func() int64 { return 1000 }, Log: testLog(t)}}
	start := time.Now()
	w.opt.Mono = func() time.Duration { return time.Since(start) + time.Duration(w.late.Load())*time.Second }
	return w
}

// retries has a store in trouble try again at once.
func (w *world) retries() {
	w.late.Add(int64(retryEvery/time.Second) + 1)
	w.s.poke()
}

// open opens the store as the hub would and checks all that it promises.
func (w *world) open() {
	w.t.Helper()
	w.opt.FS = w.fs
	var err error
	if w.s, err = Open(w.opt); err != nil {
		w.t.Fatal(err)
	}
	for e := range w.eps {
		if w.s.Epoch() <= e {
			w.t.Fatalf("epoch %d was used before", w.s.Epoch())
		}
	}
	w.eps[w.s.Epoch()] = true
	w.wait = nil
	found := map[string]bool{}
	w.s.Topics(func(i TopicInfo) {
		found[i.Name] = true
		if i.Ep != w.ep[i.Name] {
			w.t.Fatalf("%s has epoch %d, not %d", i.Name, i.Ep, w.ep[i.Name])
		}
		for seq := range w.given[topicEp(i.Name, i.Ep)] {
			if seq >= i.Next {
				w.t.Fatalf("%s goes on with %d, but %d was given", i.Name, i.Next, seq)
			}
		}
		w.next[i.Name] = i.Next
	})
	for name := range w.ep {
		if !found[name] { // the hub would make it anew
			if a := w.acked[topicEp(name, w.ep[name])]; len(a) > 0 {
				w.t.Fatalf("%s is gone with %d acknowledged readings", name, len(a))
			}
			delete(w.ep, name)
		}
	}
	w.check()
}

// check compares what is stored with what was given and acknowledged.
func (w *world) check() {
	w.t.Helper()
	held, lost := 0, 0
	for name, ep := range w.ep {
		key := topicEp(name, ep)
		last := uint64(0)
		got := map[uint64]bool{}
		list := all(w.t, w.s, name, 1)
		if n := len(list); n > 0 {
			k := w.rnd.Intn(n)
			if tail := all(w.t, w.s, name, list[k].Seq); len(tail) != n-k || tail[0].Seq != list[k].Seq {
				w.t.Fatalf("%s: %d readings from %d on, not %d", name, len(tail), list[k].Seq, n-k)
			}
		}
		for _, r := range list {
			if r.Seq <= last {
				w.t.Fatalf("%s: %d after %d", name, r.Seq, last)
			}
			last = r.Seq
			if want, ok := w.given[key][r.Seq]; !ok || !bytes.Equal(want, r.Data) {
				w.t.Fatalf("%s: %d is %q, not %q", key, r.Seq, r.Data, want)
			}
			got[r.Seq] = true
		}
		newest := uint64(0)
		for seq := range w.acked[key] {
			newest = max(newest, seq)
			if got[seq] {
				held++
			} else {
				lost++
				w.why = append(w.why, fmt.Sprint(key, " ", seq))
			}
		}
		if newest > 0 && last < newest {
			w.t.Fatalf("%s: the newest acknowledged reading %d is gone", name, newest)
		}
	}
	if st := w.s.Stats(); uint64(lost) > st.LostBytes || st.LostDamaged > 0 && lost > int(st.LostBytes) {
		w.t.Log(w.fs.told(), w.why)
		w.t.Fatalf("%d acknowledged readings are gone: %+v", lost, st)
	}
	w.s.Acked("c", "#", func(topic string, ep, seq uint64) {
		if ep == w.ep[topic] && seq < w.acks[topicEp(topic, ep)] {
			w.t.Fatalf("%s: acked %d, was %d", topic, seq, w.acks[topicEp(topic, ep)])
		}
	})
	if n := w.fs.tree("d"); n > w.opt.Bytes {
		w.t.Fatalf("%d bytes of %d", n, w.opt.Bytes)
	}
}

// publish is what the hub does: the number counts as sent whatever Append says.
func (w *world) publish(topic string) {
	ep, ok := w.ep[topic]
	if !ok {
		w.lives++ // epochs of a run rise, as the hub gives them
		ep = w.s.Epoch() + w.lives
		w.ep[topic], w.next[topic] = ep, 1
	}
	key := topicEp(topic, ep)
	if w.given[key] == nil {
		w.given[key], w.acked[key] = map[uint64][]byte{}, map[uint64]bool{}
	}
	seq := w.next[topic]
	if _, used := w.given[key][seq]; used {
		w.t.Fatalf("%s: %d is given again", key, seq)
	}
	r := reading(topic, ep, seq, w.rnd.Intn(300))
	w.given[key][seq] = r.Data
	w.next[topic]++
	p, err := w.s.Append(r)
	if err != nil {
		return
	}
	if p <= w.place {
		w.t.Fatalf("place %d after %d", p, w.place)
	}
	w.place = p
	w.fs.tell("append %s %d place %d", key, seq, p)
	w.wait = append(w.wait, waiting{p, topic, ep, seq})
}

// settle notes what is synced by now.
func (w *world) settle() {
	kept := w.wait[:0]
	for _, x := range w.wait {
		if w.s.Status(x.place) == Synced {
			w.acked[topicEp(x.topic, x.ep)][x.seq] = true
			w.fs.tell("acked %s#%d %d place %d", x.topic, x.ep, x.seq, x.place)
		} else {
			kept = append(kept, x)
		}
	}
	w.wait = kept
}

func (w *world) step(topics int) {
	switch k := w.rnd.Intn(100); {
	case k < 80:
		w.publish(fmt.Sprint("t", w.rnd.Intn(topics)))
	case k < 88:
		w.settle()
	case k < 90:
		w.retries()
	case k < 94:
		topic := fmt.Sprint("t", w.rnd.Intn(topics))
		if n := w.next[topic]; n > 1 && w.s.Sync() == nil {
			w.s.Ack("c", "#", topic, n-1)
			if w.s.Sync() == nil && w.s.Synced() > 0 {
				w.publish(topic) // the ack goes with a later sync
			}
		}
	case k < 95:
		topic := fmt.Sprint("t", w.rnd.Intn(topics))
		if _, ok := w.ep[topic]; ok && w.s.Sync() == nil {
			w.s.Forget(topic)
			w.publishForget(topic)
		}
	default:
		_ = w.s.Sync()
	}
}

// publishForget makes the tombstone durable with a reading behind it, so that
// the model knows that the topic is gone.
func (w *world) publishForget(topic string) {
	delete(w.ep, topic)
	w.publish("other")
	_ = w.s.Sync()
}

func runPower(t *testing.T, seed int64, rounds, steps int, faults bool) {
	runWorld(t, newWorld(t, seed, 1<<20), rounds, steps, faults)
}

func runWorld(t *testing.T, w *world, rounds, steps int, faults bool) {
	for range rounds {
		w.fs.boot()
		w.open()
		if faults {
			n := w.rnd.Intn(40)
			w.fs.mu.Lock()
			w.fs.fail = func(op, name string) error {
				if op != "read" && op != "open" && op != "remove" {
					if n--; n == 0 {
						n = 20 + w.fs.rnd.Intn(60)
						return []error{syscall.EIO, syscall.ENOSPC}[w.fs.rnd.Intn(2)]
					}
				}
				return nil
			}
			w.fs.mu.Unlock()
		}
		for range w.rnd.Intn(steps) {
			w.step(12)
		}
		w.fs.mu.Lock()
		w.fs.fail = nil
		w.fs.mu.Unlock()
		w.settle()
		if w.rnd.Intn(4) == 0 {
			if err := w.s.Close(); err == nil {
				w.settle()
			}
			w.fs.crash() // all of it was synced
			continue
		}
		w.settle()
		w.fs.crash()
		_ = w.s.Close() // its device is gone
	}
}

// A power cut at any moment: whatever of the unsynced writes came, nothing
// acknowledged is gone or renumbered, nothing comes twice, no number, place or
// epoch is given again.
func TestPowerCuts(t *testing.T) {
	rounds := 60
	if testing.Short() || race.Enabled {
		rounds = 15
	}
	for seed := range int64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runPower(t, seed, rounds, 400, false) })
		t.Run(fmt.Sprint("faults", seed), func(t *testing.T) { runPower(t, 100+seed, rounds, 400, true) })
		// So little room that each round writes over files that were given up.
		t.Run(fmt.Sprint("recycled", seed), func(t *testing.T) {
			runWorld(t, newWorld(t, 200+seed, MinBytes), rounds/2, 400, seed%2 == 0)
		})
	}
}

// TestManyWorlds is TestPowerCuts with seeds that nobody has seen before, for as long
// as TOPICD_STORE_WORLDS says ("30m"). The seed of a world that fails is in its name.
func TestManyWorlds(t *testing.T) {
	long, _ := time.ParseDuration(os.Getenv("TOPICD_STORE_WORLDS"))
	if long == 0 {
		t.Skip("TOPICD_STORE_WORLDS=30m runs it")
	}
	end := time.Now().Add(long)
	n := 0
	for seed := time.Now().UnixNano(); time.Now().Before(end); seed++ {
		rnd := rand.New(rand.NewSource(seed))
		bytes := []int64{MinBytes, 300_000, 1 << 20}[rnd.Intn(3)]
		rounds, steps, faults := 2+rnd.Intn(40), 10+rnd.Intn(600), rnd.Intn(2) == 0
		name := fmt.Sprintf("%d/%d/%d/%d/%v", seed, bytes, rounds, steps, faults)
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, seed, bytes)
			w.opt.Sync = []time.Duration{0, time.Millisecond, 10 * time.Millisecond, 200 * time.Millisecond}[rnd.Intn(4)]
			runWorld(t, w, rounds, steps, faults)
		})
		n++
	}
	t.Logf("%d worlds", n)
}
