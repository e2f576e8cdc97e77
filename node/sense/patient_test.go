//go:build linux

package sense

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// patient makes a board wait by a clock that stands still as long as the board has
// something to do: a file is late, or stuck, when all that is being read are fifos that
// nobody writes to, and never because others have the processors.
type patient struct {
	tr    tree
	b     *Board
	at    atomic.Int64
	each  time.Duration // a fifo answers after so long; 0 = it does not
	rests func()        // called once instead, when there is nothing but fifos
}

// limit is how long a file may take by that clock.
const limit = time.Minute

func (tr tree) patient(o Options) (*Board, *clock, *patient) {
	o.Timeout = limit
	b, c := tr.board(o)
	p := &patient{tr: tr, b: b}
	b.mono = func() time.Time { return time.Unix(0, p.at.Load()) }
	b.ring = p.ring
	return b, c, p
}

// forward lets time pass when the readers are where they wait.
func (p *patient) forward(d time.Duration) {
	p.tr.t.Helper()
	p.await(func() bool { _, _, busy := p.reading(); return !busy })
	p.at.Add(int64(d))
}

// fifo tells whether a path is one.
func (p *patient) fifo(path string) bool {
	info, err := os.Lstat(p.tr.root + path)
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}

// reading is a device of which a fifo is being read. waits: it is, or a directory is
// being listed with one; busy: something else is being done.
func (p *patient) reading() (d *device, waits, busy bool) {
	b := p.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.list.cur; l != nil && !l.done {
		waits = p.fifo(l.at + "/name")
		busy = !waits
	}
	for _, o := range b.devices {
		switch {
		case !o.active || slices.Contains(b.queue, o):
		case o.cur == nil || !p.fifo(o.cur.path):
			busy = true
		default:
			d, waits = o, true
		}
	}
	return d, waits, busy
}

// convert lets the fifo that is being read answer, after a while, if there is one.
func (p *patient) convert() {
	p.tr.t.Helper()
	var d *device
	p.await(func() (busy bool) { d, _, busy = p.reading(); return !busy })
	if d == nil {
		return // all are read
	}
	p.b.mu.Lock()
	cur := d.cur
	p.b.mu.Unlock()
	p.at.Add(int64(p.each))
	p.tr.answer(cur.path, p.value(cur.path))
	p.await(func() bool {
		p.b.mu.Lock()
		defer p.b.mu.Unlock()
		return d.cur != cur
	})
}

// value is what a thermometer of a bus says: 20 °C, and its number in thousandths.
func (p *patient) value(path string) string {
	name := strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "28-")
	return "200" + name
}

func (p *patient) await(ok func() bool) {
	p.tr.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.tr.t.Fatal("the board does not get to where it waits")
		}
	}
}

// ring is an alarm by the patient's clock.
func (p *patient) ring(after time.Duration) (alarm <-chan time.Time, stop func() bool) {
	c, ended, done := make(chan time.Time, 1), make(chan struct{}), make(chan struct{})
	due := p.at.Load() + int64(after)
	go func() {
		defer close(done)
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-ended:
				return
			case <-tick.C:
			}
			d, waits, busy := p.reading()
			switch {
			case busy || !waits:
			case p.rests != nil:
				p.rests()
				p.rests = nil
				return
			case p.each > 0 && d != nil && p.at.Load()+int64(p.each) <= due:
				p.convert()
			default:
				p.at.Store(due)
				c <- time.Time{}
				return
			}
		}
	}()
	return c, func() bool { close(ended); <-done; return true }
}
