package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	segHead   = 64 // one copy of the header
	segStart  = 2 * segHead
	segMagic  = "topicd\x00\x01"
	segSuffix = ".seg"
)

// segment is what memory knows of a file of the log. After it was sealed only
// bits and newest change, under Store.mu.
type segment struct {
	no          uint64
	key         key
	end         int    // bytes of records, the footer included
	foot        int    // offset of the footer's record, 0 = none
	charged     int64  // bytes of the bound that it takes
	first, last Place  // of its readings, those carried not counted; 0 = none
	maxTS       int64  // of its readings
	readings    uint32 // carried ones included
	newest      uint32 // topics whose newest reading lies here
	bits        []uint64
	readers     int  // that have its file open
	gone        bool // its file is another segment's now
}

// A segment's number is the run that began it, and its place in that run: no
// number is given twice, even if a crash takes a file with it.
func segNo(boot uint32, n uint32) uint64 { return uint64(boot)<<32 | uint64(n) }

func segName(no uint64) string { return fmt.Sprintf("%016x%s", no, segSuffix) }

func parseSegName(name string) (uint64, bool) {
	s, ok := strings.CutSuffix(name, segSuffix)
	if !ok || len(s) != 16 {
		return 0, false
	}
	no, err := strconv.ParseUint(s, 16, 64)
	return no, err == nil && segName(no) == name
}

func (s *Store) segPath(no uint64) string { return filepath.Join(s.opt.Dir, segName(no)) }

func (g *segment) has(topic uint32) bool {
	i := int(topic >> 6)
	return i < len(g.bits) && g.bits[i]>>(topic&63)&1 != 0
}

func (g *segment) set(topic uint32) {
	i := int(topic >> 6)
	for i >= len(g.bits) {
		g.bits = append(g.bits, 0)
	}
	g.bits[i] |= 1 << (topic & 63)
}

func (g *segment) clear(topic uint32) {
	if g.has(topic) {
		g.bits[topic>>6] &^= 1 << (topic & 63)
	}
}

// took notes a reading of this segment.
func (g *segment) took(p Place, ts int64, carried bool) {
	g.readings++
	g.maxTS = max(g.maxTS, ts)
	if carried {
		return
	}
	if g.first == 0 {
		g.first = p
	}
	g.last = max(g.last, p)
}

// putSegHead makes the two copies of a segment's header.
func putSegHead(no, salt uint64) []byte {
	b := make([]byte, segStart)
	for i := 0; i < segStart; i += segHead {
		h := b[i : i+segHead]
		copy(h, segMagic)
		binary.LittleEndian.PutUint64(h[8:], no)
		binary.LittleEndian.PutUint64(h[16:], salt)
		binary.LittleEndian.PutUint32(h[60:], key(no).crc(i, h[:60]))
	}
	return b
}

// segSalt finds the store's salt in a segment's header.
func segSalt(b []byte, no uint64) (salt uint64, ok bool) {
	for i := 0; i < segStart && i+segHead <= len(b); i += segHead {
		h := b[i : i+segHead]
		if string(h[:8]) == segMagic && binary.LittleEndian.Uint64(h[8:]) == no &&
			binary.LittleEndian.Uint32(h[60:]) == key(no).crc(i, h[:60]) {
			return binary.LittleEndian.Uint64(h[16:]), true
		}
	}
	return 0, false
}

// readAll reads a segment's file into buf, grown as need be. Blocks that the
// device cannot read are zeros: they are damage like any other.
func readAll(fs FS, name string, size int64, buf []byte) ([]byte, error) {
	f, err := fs.Open(name, false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size = min(size, 4*maxSegment) // no segment is larger
	if int64(cap(buf)) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	n, err := f.ReadAt(buf, 0)
	if err == nil || errors.Is(err, io.EOF) {
		return buf[:n], nil
	}
	clear(buf)
	for at := 0; at < len(buf); at += block {
		_, _ = f.ReadAt(buf[at:min(at+block, len(buf))], int64(at))
	}
	return buf, nil
}

func charge(n int64) int64 { return (n + block - 1) &^ (block - 1) }
