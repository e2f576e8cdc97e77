package sense

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	defaultTimeout = 2 * time.Second // a 1-wire conversion takes 0.75 s; two must fit
	defaultRelist  = 12              // a new USB sensor shows within a minute at 5 s a round
	maxReaders     = 8               // goroutines that read at a time, stuck ones and /proc aside
	maxStuck       = 2               // stuck files after which a device is left alone
	maxDevices     = 128             // devices that are read; more are skipped
	maxSources     = 128             // sources of one device; more are skipped
)

// Options say how a board is read. The zero value is the default.
type Options struct {
	Root    string        // prefix of /sys and /proc, default "/"; tests lay a tree of their own
	Timeout time.Duration // how long a file may take and a round waits, default 2 s
	Relist  int           // rounds between two looks for new devices, default 12
}

func (o Options) withDefaults() Options {
	o.Root = strings.TrimRight(o.Root, "/")
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Relist <= 0 {
		o.Relist = defaultRelist
	}
	return o
}

// Reason says why a file gave no reading.
type Reason string

// The reasons. A caller counts by them and logs when one comes or goes.
const (
	Late    Reason = "late"     // not read in time; the next round hands it on
	Stuck   Reason = "stuck"    // silent for longer than the Timeout, skipped until it returns
	Busy    Reason = "busy"     // behind stuck files of the same device
	Gone    Reason = "gone"     // vanished since the directories were listed
	Failed  Reason = "failed"   // the kernel reports an error: Err has it
	Garbage Reason = "garbage"  // not a number, or one that cannot be
	BadCRC  Reason = "crc"      // 1-wire: garbled on the bus
	PowerOn Reason = "power-on" // 1-wire: 85 °C, the value before the first conversion
	TooMany Reason = "too many" // beyond the number of devices, sources, disks or interfaces
)

// Skip is a file without a reading in this round.
type Skip struct {
	Path   string // below Options.Root
	Reason Reason
	Err    error // the kernel's, or nil
}

// Summary is what became of a round.
type Summary struct {
	Readings int    // handed to emit
	Skipped  []Skip // the caller's to keep; nil when all went well
}

// Board reads the sensors of the machine it runs on. Its methods may be called
// from any goroutine; rounds do not overlap.
type Board struct {
	// static after construction
	o    Options
	now  func() time.Time // of readings; tests replace it, and what follows
	mono func() time.Time // files are waited for by it
	ring func(time.Duration) (alarm <-chan time.Time, stop func() bool)
	wake chan struct{} // a reader has finished a device
	quit chan struct{} // closed by Close
	bufs sync.Pool     // *reader

	disks atomic.Pointer[map[string]bool] // the whole disks of the last listing

	// held for a round, and by Close at last
	round sync.Mutex
	turn  int       // rounds so far
	batch []Reading // being emitted

	// guarded by mu
	mu      sync.Mutex
	closed  bool
	devices []*device // devices[0] is /proc
	queue   []*device // waiting for a reader
	readers int       // goroutines that are not stuck, the lister and /proc's among them
	relist  bool      // a file vanished: look again
	list    listing
}

// New makes a Board. It reads nothing yet and starts no goroutine.
func New(o Options) *Board {
	b := &Board{o: o.withDefaults(), now: time.Now, mono: time.Now,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), relist: true}
	b.bufs.New = func() any { return &reader{board: b, buf: make([]byte, 4096)} }
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	b.ring = func(d time.Duration) (<-chan time.Time, func() bool) {
		timer.Reset(d)
		return timer.C, timer.Stop
	}
	b.list.hung = map[string]bool{}
	b.devices = []*device{b.procDevice()}
	return b
}

// Read does one round: it reads everything once and hands each reading to emit,
// on the caller's goroutine, as it comes; emit must not call Read or Close.
// Readings of one topic come in the order of their times, no other order is
// promised. Read returns when all is read, when ctx ends, and at the latest after
// 1.25 times Options.Timeout (2.25 times when the directories have to be listed
// and do not answer). After Close it does nothing.
func (b *Board) Read(ctx context.Context, emit func(Reading)) Summary {
	b.round.Lock()
	defer b.round.Unlock()
	var s Summary
	select {
	case <-b.quit:
		return s
	default:
	}
	b.look(ctx)
	b.turn++
	b.start()
	for _, wait := range [2]time.Duration{b.o.Timeout, b.o.Timeout / 4} {
		if b.gather(ctx, wait, emit, &s) {
			break
		}
		b.markStuck()
	}
	b.deliver(emit, &s)
	b.sumUp(&s)
	return s
}

// Close ends the board. It waits for reads under way, for at most
// Options.Timeout: one that takes longer may never return.
func (b *Board) Close() {
	b.mu.Lock()
	first := !b.closed
	b.closed = true
	b.mu.Unlock()
	if first {
		close(b.quit)
	}
	b.round.Lock()
	defer b.round.Unlock()
	alarm, stop := b.ring(b.o.Timeout)
	defer stop()
	for {
		b.mu.Lock()
		n := b.readers
		b.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-b.wake:
		case <-alarm:
			return
		}
	}
}

// gather hands on readings until every device of this round is done (true) or
// the time is over.
func (b *Board) gather(ctx context.Context, wait time.Duration, emit func(Reading), s *Summary) bool {
	return b.await(ctx, wait, func() bool { return b.deliver(emit, s) })
}

// await looks, and again whenever a reader has something, until that is it. false:
// the time is over.
func (b *Board) await(ctx context.Context, wait time.Duration, look func() bool) bool {
	alarm, stop := b.ring(wait)
	defer stop()
	for !look() {
		select {
		case <-b.wake:
		case <-alarm:
			return false
		case <-ctx.Done():
			return true
		case <-b.quit:
			return true
		}
	}
	return true
}

// deliver hands on what the readers have brought and reports whether they are
// done with this round.
func (b *Board) deliver(emit func(Reading), s *Summary) bool {
	done := true
	b.batch = b.batch[:0]
	b.mu.Lock()
	for _, d := range b.devices {
		b.batch = append(b.batch, d.out...)
		s.Skipped = append(s.Skipped, d.skips...)
		d.out, d.skips = d.out[:0], d.skips[:0]
		done = done && (!d.active || d.turn != b.turn)
	}
	b.mu.Unlock()
	s.Readings += len(b.batch)
	for _, r := range b.batch {
		emit(r)
	}
	return done
}

// sumUp tells of the sources this round did not get.
func (b *Board) sumUp(s *Summary) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.devices {
		if !d.active {
			continue
		}
		for _, src := range d.sources[d.next:] {
			s.Skipped = append(s.Skipped, Skip{Path: src.path, Reason: Late})
		}
		if d.cur != nil {
			s.Skipped = append(s.Skipped, Skip{Path: d.cur.path, Reason: Late})
		}
	}
	s.Skipped = append(s.Skipped, b.list.skips...)
	for dir := range b.list.hung {
		s.Skipped = append(s.Skipped, Skip{Path: dir, Reason: Stuck})
	}
}

// reasonOf names the cause of a failed read.
func reasonOf(err error) Reason {
	var r refusal
	switch {
	case errors.As(err, &r):
		return Reason(r)
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		return Gone
	}
	return Failed
}

// refusal is a reason as an error: the file was read but says nothing usable.
type refusal Reason

func (r refusal) Error() string { return string(r) }
