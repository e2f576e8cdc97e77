package sense

import (
	"context"
	"os"
	"path"
	"sort"
	"strings"
	"time"
)

// listing is the state of looking for devices. Guarded by Board.mu.
type listing struct {
	cur   *lister         // under way
	next  int             // the turn of the next look
	hung  map[string]bool // directories a lister does not come back from
	skips []Skip          // devices and sources beyond their number
}

// lister goes through the directories once, on a goroutine of its own: even the
// name of a chip is a file that may not answer.
type lister struct {
	b       *Board
	r       reader
	devices []*device
	skips   []Skip

	// guarded by Board.mu
	at    string // the directory it is in
	since time.Time
	lost  bool // given up: another one goes on
	done  bool
}

// look lists the directories when it is time to, and waits for it for at most
// Options.Timeout. A directory that hangs is left out.
func (b *Board) look(ctx context.Context) {
	b.mu.Lock()
	l := b.list.cur
	// A file that vanishes brings a look forward, but not in each round.
	soon := b.relist && b.turn >= b.list.next-b.o.Relist+2
	if l == nil && (b.turn >= b.list.next || soon) {
		l = b.startLister()
	}
	b.mu.Unlock()
	if l == nil {
		return
	}
	wait := b.o.Timeout / 4
	for range 4 {
		if b.listed(ctx, l, wait) {
			return
		}
		if l = b.giveUp(l, wait-wait/8); l == nil {
			return
		}
	}
}

// startLister is called with mu held.
func (b *Board) startLister() *lister {
	l := &lister{b: b, r: reader{board: b, buf: make([]byte, 4096)}, since: b.mono()}
	b.list.cur = l
	b.relist = false
	b.readers++
	go l.run()
	return l
}

// listed waits until l is done and takes over what it found. It is also true
// when the round should go on without.
func (b *Board) listed(ctx context.Context, l *lister, wait time.Duration) bool {
	return b.await(ctx, wait, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		if l.done {
			b.adopt(l)
		}
		return l.done
	})
}

// giveUp replaces a lister that hangs in a directory; it returns the one to wait for.
func (b *Board) giveUp(l *lister, limit time.Duration) *lister {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.done || b.mono().Sub(l.since) < limit {
		return l
	}
	if len(b.list.hung) >= maxReaders {
		return nil // no more goroutines for this; it goes on with what it has
	}
	l.lost = true
	b.list.hung[l.at] = true
	b.readers--
	return b.startLister()
}

// adopt takes over a finished listing, with mu held. Devices take their new
// sources when they are idle.
func (b *Board) adopt(l *lister) {
	b.list.cur = nil
	b.list.next = b.turn + b.o.Relist
	b.list.skips = l.skips
	old := make(map[string]*device, len(b.devices))
	for _, d := range b.devices {
		old[d.key] = d
		d.listed = b.hungLocked(d.key)
	}
	for _, d := range l.devices {
		if o := old[d.key]; o != nil {
			o.fresh, o.listed = d.sources, true
		} else {
			b.devices = append(b.devices, d)
		}
	}
	for _, d := range b.devices {
		if !d.listed {
			d.fresh = []*source{}
		}
	}
}

// hungLocked reports that the directory of a device could not be listed.
func (b *Board) hungLocked(key string) bool {
	for dir := range b.list.hung {
		if key == dir || strings.HasPrefix(key, dir+"/") {
			return true
		}
	}
	return false
}

func (l *lister) run() {
	if l.enter("/proc") {
		l.devices = append(l.devices, &device{key: "/proc", listed: true, sources: l.b.procSources()})
	}
	l.disks()
	l.thermal()
	l.hwmon()
	l.iio()
	l.wire()
	l.power()
	b := l.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.lost {
		delete(b.list.hung, l.at)
		b.relist = true
		return
	}
	l.done = true
	b.readers--
	b.signal()
}

// enter notes the directory to be read next; false says not to.
func (l *lister) enter(dir string) bool {
	b := l.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.lost || b.closed || b.list.hung[dir] {
		return false
	}
	l.at, l.since = dir, b.mono()
	return true
}

// each calls f with every entry of a directory that begins with prefix.
func (l *lister) each(dir, prefix string, f func(entry, full string)) {
	if !l.enter(dir) {
		return
	}
	for _, e := range l.entries(dir) {
		if full := path.Join(dir, e); strings.HasPrefix(e, prefix) && l.enter(full) {
			f(e, full)
		}
	}
}

// entries returns the names in a directory by the kernel's numbers: "temp2_input"
// is before "temp10_input".
func (l *lister) entries(dir string) []string {
	list, err := os.ReadDir(l.b.o.Root + dir)
	if err != nil {
		return nil // the kernel has no such class
	}
	entries := make([]string, len(list))
	for i, e := range list {
		entries[i] = e.Name()
	}
	sort.Slice(entries, func(i, j int) bool {
		a, b := entries[i], entries[j]
		return len(a) < len(b) || len(a) == len(b) && a < b
	})
	return entries
}

// text returns the word in a file, or other.
func (l *lister) text(file, other string) string {
	b, err := l.r.file(l.b.o.Root + file)
	if s := strings.TrimSpace(string(b)); err == nil && s != "" && len(s) <= 256 {
		return s
	}
	return other
}

// add notes a device. Devices without sources (a USB charger, a fan driver) are
// none of ours.
func (l *lister) add(key string, sources []*source) {
	switch {
	case len(sources) == 0:
		return
	case len(l.devices) >= maxDevices:
		l.skips = append(l.skips, Skip{Path: key, Reason: TooMany})
		return
	case len(sources) > maxSources:
		l.skips = append(l.skips, Skip{Path: sources[maxSources].path, Reason: TooMany})
		sources = sources[:maxSources]
	}
	l.devices = append(l.devices, &device{key: key, listed: true, sources: sources})
}
