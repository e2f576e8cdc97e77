package store

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// memFS is a file system that keeps what was synced apart from what was only
// written. crash forgets, tears and reorders the rest as a device may: each
// 512-byte sector written since the last sync is old or new, sizes and entries
// of directories too. fail returns errors on demand.
type memFS struct {
	mu     sync.Mutex
	rnd    *rand.Rand
	files  map[string]*memFile // as programs see them
	stable map[string]*memFile // entries as they are on the device
	dirs   map[string]bool
	locked map[string]bool
	fail   func(op, name string) error // nil = well
	room   int64                       // bytes of the device, 0 = no bound
	life   int                         // handles of an earlier life are dead
	dead   bool                        // crashed, and not yet up again
	trace  []string                    // what was done, for a test that fails
}

type memFile struct {
	now, old []byte       // what programs see; what was synced
	dirty    map[int]bool // sectors that differ in an unknown way
	lost     map[int]bool // sectors of a sync that failed: no later sync writes them
	ghost    []byte       // what a truncation cut off and no sync has made durable
}

const sector = 512

func newMemFS(seed int64) *memFS {
	return &memFS{rnd: rand.New(rand.NewSource(seed)), files: map[string]*memFile{}, stable: map[string]*memFile{}, dirs: map[string]bool{}, locked: map[string]bool{}}
}

// note keeps the last of what was done.
func (m *memFS) note(f string, a ...any) {
	if len(m.trace) == 600 {
		m.trace = append(m.trace[:0], m.trace[300:]...)
	}
	m.trace = append(m.trace, fmt.Sprintf(f, a...))
}

func (m *memFS) tell(f string, a ...any) {
	m.mu.Lock()
	m.note(f, a...)
	m.mu.Unlock()
}

func (m *memFS) told() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.trace, "\n")
}

func (m *memFS) err(op, name string) error {
	e := m.fault(op, name)
	if op != "read" {
		m.note("%s %s %v", op, name, e)
	}
	return e
}

func (m *memFS) fault(op, name string) error {
	if m.dead {
		return syscall.EIO
	}
	if m.fail == nil {
		return nil
	}
	return m.fail(op, name)
}

// boot brings it up again after a crash.
func (m *memFS) boot() {
	m.mu.Lock()
	m.dead, m.fail = false, nil
	m.mu.Unlock()
}

// crash is a power cut: what follows sees a device on which anything unsynced
// may or may not have come.
func (m *memFS) crash() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.life++
	m.dead = true
	m.locked = map[string]bool{}
	next := map[string]*memFile{}
	for name, f := range m.stable { // entries that may have gone
		if m.files[name] == f || m.rnd.Intn(2) == 0 {
			next[name] = f
		}
	}
	for name, f := range m.files { // and come
		if m.stable[name] == f || m.rnd.Intn(2) == 0 {
			next[name] = f
		}
	}
	for name, f := range m.files { // a file that was renamed has one of the names
		for old, g := range m.stable {
			if g != f || old == name {
				continue
			}
			delete(next, old)
			delete(next, name)
			next[[]string{old, name}[m.rnd.Intn(2)]] = f
		}
	}
	for name, f := range next {
		o, n := len(f.old), len(f.now)
		f.cut(m.rnd)
		m.note("crash %s old %d now %d -> %d", name, o, n, len(f.now))
	}
	m.files = next
	m.stable = maps.Clone(next)
}

func (f *memFile) cut(rnd *rand.Rand) {
	if f.ghost != nil && rnd.Intn(2) == 0 { // the truncation never came
		f.now = f.ghost
	}
	f.ghost = nil
	size := len(f.old)
	switch n := len(f.now); rnd.Intn(4) {
	case 0, 1:
		size = n
	case 2:
		if n > size {
			size += rnd.Intn(n - size + 1)
		}
	}
	b := make([]byte, size)
	copy(b, f.old)
	for at := range f.dirty {
		off := at * sector
		if off >= size || rnd.Intn(3) == 0 {
			continue
		}
		end := min(off+sector, len(f.now), size)
		if rnd.Intn(8) == 0 { // torn within
			end = min(end, off+rnd.Intn(sector))
		}
		if off < end {
			copy(b[off:end], f.now[off:end])
		}
	}
	f.now, f.old, f.dirty, f.lost = b, append([]byte(nil), b...), map[int]bool{}, map[int]bool{}
}

// put makes a file that is on the device.
func (m *memFS) put(name string, b []byte) {
	f := &memFile{now: b, old: append([]byte(nil), b...), dirty: map[int]bool{}, lost: map[int]bool{}}
	m.files[name], m.stable[name] = f, f
}

func (m *memFS) used() (n int64) {
	for _, f := range m.files {
		n += charge(int64(len(f.now)))
	}
	return n
}

func (m *memFS) Open(name string, create bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[name]
	if err := m.err("open", name); err != nil {
		return nil, err
	}
	if f == nil && !create {
		return nil, fs.ErrNotExist
	}
	if f == nil {
		f = &memFile{dirty: map[int]bool{}, lost: map[int]bool{}}
		m.files[name] = f
	}
	return &memHandle{m, f, name, m.life}, nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] == nil {
		return fs.ErrNotExist
	}
	if err := m.err("remove", name); err != nil {
		return err
	}
	delete(m.files, name)
	return nil
}

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[from] == nil {
		return fs.ErrNotExist
	}
	if err := m.err("rename", from); err != nil {
		return err
	}
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (m *memFS) ReadDir(dir string) (out []Entry, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, f := range m.files {
		if filepath.Dir(name) == dir {
			out = append(out, Entry{filepath.Base(name), int64(len(f.now)), false})
		}
	}
	return out, nil
}

func (m *memFS) MkdirAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dirs[name] = true
	return m.err("mkdir", name)
}

func (m *memFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.err("syncdir", dir); err != nil {
		return err
	}
	for name := range m.stable {
		if filepath.Dir(name) == dir && m.files[name] == nil {
			delete(m.stable, name)
		}
	}
	for name, f := range m.files {
		if filepath.Dir(name) == dir {
			m.stable[name] = f
		}
	}
	return nil
}

type memLock struct {
	m    *memFS
	dir  string
	life int
}

func (l memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if l.life == l.m.life {
		delete(l.m.locked, l.dir)
	}
	return nil
}

func (m *memFS) Lock(dir string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locked[dir] {
		return nil, ErrLocked
	}
	m.locked[dir] = true
	return memLock{m, dir, m.life}, nil
}

type memHandle struct {
	m    *memFS
	f    *memFile
	name string
	life int
}

func (h *memHandle) do(op string) (unlock func(), err error) {
	h.m.mu.Lock()
	if h.dead() {
		return h.m.mu.Unlock, syscall.EIO
	}
	return h.m.mu.Unlock, h.m.err(op, h.name)
}

// dead: the process that had it ended with a crash.
func (h *memHandle) dead() bool { return h.m.dead || h.life != h.m.life }

func (h *memHandle) ReadAt(b []byte, off int64) (int, error) {
	unlock, err := h.do("read")
	defer unlock()
	if err != nil {
		return 0, err
	}
	if off >= int64(len(h.f.now)) {
		return 0, io.EOF
	}
	n := copy(b, h.f.now[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h *memHandle) WriteAt(b []byte, off int64) (n int, err error) {
	unlock, err := h.do("write")
	defer unlock()
	if h.dead() {
		return 0, err
	}
	h.m.note("  at %d len %d old %d now %d", off, len(b), len(h.f.old), len(h.f.now))
	n = len(b)
	if err != nil { // a write that fails has come half
		n /= 2
	}
	if grow := charge(off+int64(n)) - charge(int64(len(h.f.now))); h.m.room > 0 && grow > 0 && h.m.used()+grow > h.m.room {
		n, err = n/3, syscall.ENOSPC
	}
	if need := int(off) + n; need > len(h.f.now) {
		h.f.now = append(h.f.now, make([]byte, need-len(h.f.now))...)
	}
	if n > 0 {
		h.f.ghost = nil
	}
	copy(h.f.now[off:], b[:n])
	for at := int(off) / sector; at*sector < int(off)+n; at++ {
		h.f.dirty[at] = true
		delete(h.f.lost, at)
	}
	return n, err
}

func (h *memHandle) Truncate(size int64) error {
	unlock, err := h.do("truncate")
	defer unlock()
	if err != nil {
		return err
	}
	h.m.note("  to %d old %d now %d", size, len(h.f.old), len(h.f.now))
	if size < int64(len(h.f.now)) {
		if h.f.ghost == nil {
			h.f.ghost = h.f.now
		}
		h.f.now = h.f.now[:size:size]
	}
	for int64(len(h.f.now)) < size {
		h.f.now = append(h.f.now, 0)
	}
	return nil
}

func (h *memHandle) Sync() error {
	unlock, err := h.do("sync")
	defer unlock()
	f := h.f
	if h.dead() {
		return err
	}
	if err != nil {
		for at := range f.dirty { // the kernel takes the pages for clean from now on
			f.lost[at] = true
		}
		f.dirty = map[int]bool{}
		return err
	}
	b := append([]byte(nil), f.now...)
	for at := range f.lost {
		if off := at * sector; off < len(b) {
			end := min(off+sector, len(b))
			clear(b[off:end])
			if off < len(f.old) {
				copy(b[off:end], f.old[off:])
			}
		}
	}
	f.old, f.dirty, f.ghost = b, map[int]bool{}, nil
	return nil
}

func (h *memHandle) Allocate(int64) error { return nil }

func (h *memHandle) Close() error { return nil }

// tree is what lies on the device, as tree counts it.
func (m *memFS) tree(dir string) (n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, f := range m.files {
		if strings.HasPrefix(name, dir+"/") {
			n += charge(int64(len(f.now)))
		}
	}
	return n + 3*block
}
