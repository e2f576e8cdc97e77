package ustar

import (
	"archive/tar"
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

var members = map[string]string{"a.seg": "one", "b.seg": strings.Repeat("x", 512), "empty": "", "c": strings.Repeat("y", 70_000)}

// The standard library reads what is written here, and what it writes is read here.
func TestBothWays(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	var ours, theirs bytes.Buffer
	w, tw := NewWriter(&ours), tar.NewWriter(&theirs)
	for name, text := range members {
		if err := w.WriteHeader(&Header{Name: name, Mode: 0o600, Size: int64(len(text)), ModTime: at}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		_ = tw.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text)), ModTime: at})
		_, _ = io.WriteString(tw, text)
	}
	if w.Close() != nil || tw.Close() != nil {
		t.Fatal("close")
	}
	tr, n := tar.NewReader(&ours), 0
	for ; ; n++ {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(tr); err != nil || string(b) != members[h.Name] || h.Mode != 0o600 || !h.ModTime.Equal(at) {
			t.Errorf("%+v, %v", h, err)
		}
	}
	r, m := NewReader(&theirs), 0
	for ; ; m++ {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if m%2 == 1 {
			continue // what is not read is skipped
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != members[h.Name] || !h.Plain || h.Mode != 0o600 || !h.ModTime.Equal(at) {
			t.Errorf("%+v, %v", h, err)
		}
	}
	if n != len(members) || m != len(members) {
		t.Errorf("%d and %d members of %d", n, m, len(members))
	}
}

// What is cut or damaged is told, and what was promised is written.
func TestBrokenFiles(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	_ = w.WriteHeader(&Header{Name: "a", Size: 1000})
	if w.Close() == nil || w.WriteHeader(&Header{Name: "b"}) == nil {
		t.Error("a member may be cut short")
	}
	if _, err := w.Write(make([]byte, 1001)); err == nil {
		t.Error("a member may be longer than it said")
	}
	_, _ = w.Write(make([]byte, 1000))
	_ = w.Close()
	whole := b.Bytes()
	for _, cut := range []int{100, 511, 600, 1511, 1530} {
		r := NewReader(bytes.NewReader(whole[:cut]))
		_, err := r.Next()
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if err == nil {
			_, err = r.Next()
		}
		if err == nil || err == io.EOF {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	for _, at := range []int{0, 130, 150} {
		bad := bytes.Clone(whole)
		bad[at] ^= 0x11
		if _, err := NewReader(bytes.NewReader(bad)).Next(); err != errHeader {
			t.Errorf("damaged at %d: %v", at, err)
		}
	}
	if err := NewWriter(io.Discard).WriteHeader(&Header{Name: strings.Repeat("n", 101)}); err == nil {
		t.Error("a long name is taken")
	}
}

func FuzzReader(f *testing.F) {
	var b bytes.Buffer
	w := NewWriter(&b)
	_ = w.WriteHeader(&Header{Name: "a", Size: 3})
	_, _ = w.Write([]byte("abc"))
	_ = w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, in []byte) {
		r := NewReader(bytes.NewReader(in))
		for range 10 {
			h, err := r.Next()
			if err != nil {
				return
			}
			if n, _ := io.Copy(io.Discard, r); n > h.Size || n > int64(len(in)) {
				t.Fatal("more than there is")
			}
		}
	})
}
