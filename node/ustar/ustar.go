// Package ustar reads and writes tar files (POSIX.1-1988, ustar) of plain files with
// short names: all that a backup of a store is. archive/tar takes 54,560 bytes of the
// armv6 binary for links, sparse files and long names, which a backup has none of.
package ustar

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

const block = 512

// Header is what stands before a member.
type Header struct {
	Name    string // at most 100 bytes
	Mode    int64
	Size    int64
	ModTime time.Time
	Plain   bool // a file, and no folder or link
}

// Where a header's fields lie.
const (
	atMode, atUID, atGID, atSize, atTime, atSum, atType, atMagic = 100, 108, 116, 124, 136, 148, 156, 257
)

// Writer writes members one after the other.
type Writer struct {
	w    io.Writer
	left int64 // bytes of the member that are still to come
	pad  int64
}

// NewWriter begins a tar file.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// WriteHeader begins a member of h.Size bytes.
func (t *Writer) WriteHeader(h *Header) error {
	if err := t.end(); err != nil {
		return err
	}
	if h.Name == "" || len(h.Name) > 100 || h.Size < 0 || h.Size >= 1<<33 {
		return fmt.Errorf("ustar: %q of %d bytes cannot be a member", h.Name, h.Size)
	}
	var b [block]byte
	copy(b[:], h.Name)
	octal(b[atMode:], 7, h.Mode)
	octal(b[atUID:], 7, 0)
	octal(b[atGID:], 7, 0)
	octal(b[atSize:], 11, h.Size)
	octal(b[atTime:], 11, max(0, h.ModTime.Unix()))
	b[atType] = '0'
	copy(b[atMagic:], "ustar\x0000")
	octal(b[atSum:], 6, sum(b[:]))
	t.left, t.pad = h.Size, -h.Size&(block-1)
	_, err := t.w.Write(b[:])
	return err
}

// Write writes the member's bytes.
func (t *Writer) Write(b []byte) (int, error) {
	if int64(len(b)) > t.left {
		return 0, errors.New("ustar: more than the member's size")
	}
	n, err := t.w.Write(b)
	t.left -= int64(n)
	return n, err
}

// Close ends the file. It does not close what is below.
func (t *Writer) Close() error {
	if err := t.end(); err != nil {
		return err
	}
	_, err := t.w.Write(make([]byte, 2*block))
	return err
}

func (t *Writer) end() error {
	if t.left > 0 {
		return errors.New("ustar: less than the member's size")
	}
	_, err := t.w.Write(make([]byte, t.pad))
	t.pad = 0
	return err
}

// octal writes n in so many digits; a NUL follows.
func octal(b []byte, digits int, n int64) {
	s := strconv.FormatInt(n, 8)
	copy(b, strings.Repeat("0", max(0, digits-len(s)))+s)
}

// sum is the checksum of a header, its own field taken for spaces.
func sum(b []byte) (n int64) {
	for i, c := range b {
		if i >= atSum && i < atSum+8 {
			c = ' '
		}
		n += int64(c)
	}
	return n
}

// Reader reads members one after the other.
type Reader struct {
	r    io.Reader
	left int64 // of the member, with what it is padded by
	size int64 // of the member, that were not read yet
}

// NewReader reads a tar file.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

var errHeader = errors.New("ustar: this is no tar file, or a damaged one")

// Next goes on to the next member; io.EOF is the end.
func (t *Reader) Next() (*Header, error) {
	if _, err := io.CopyN(io.Discard, t.r, t.left); err != nil {
		return nil, unexpected(err)
	}
	t.left, t.size = 0, 0
	var b [block]byte
	if _, err := io.ReadFull(t.r, b[:]); err != nil {
		return nil, err // io.EOF: without the two empty blocks
	}
	if b == [block]byte{} {
		return nil, io.EOF
	}
	want, err1 := number(b[atSum : atSum+8])
	size, err2 := number(b[atSize : atSize+12])
	mode, err3 := number(b[atMode : atMode+8])
	at, err4 := number(b[atTime : atTime+12])
	if err := errors.Join(err1, err2, err3, err4); err != nil || want != sum(b[:]) {
		return nil, errHeader
	}
	t.size, t.left = size, size+-size&(block-1)
	name, _, _ := bytes.Cut(b[:100], []byte{0})
	return &Header{Name: string(name), Mode: mode, Size: size, ModTime: time.Unix(at, 0), Plain: b[atType] == '0' || b[atType] == 0}, nil
}

// Read reads the member.
func (t *Reader) Read(b []byte) (int, error) {
	if t.size == 0 {
		return 0, io.EOF
	}
	n, err := t.r.Read(b[:min(int64(len(b)), t.size)])
	t.size -= int64(n)
	t.left -= int64(n)
	if t.size > 0 {
		err = unexpected(err)
	}
	return n, err
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// number reads an octal field: digits between spaces and NULs.
func number(b []byte) (int64, error) {
	text := strings.Trim(string(b), " \x00")
	if text == "" {
		return 0, nil
	}
	return strconv.ParseInt(text, 8, 48)
}
