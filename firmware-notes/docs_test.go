package firmware

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"topicd/codec"
)

var update = flag.Bool("update", false, "write the frames of protocol.md anew")

var (
	marker = regexp.MustCompile(`(?s)<!-- frames: ([^\n]*?) -->\n(?:\n` + "```" + `frames\n.*?\n` + "```" + `\n)?`)
	fences = "```"
)

// TestProtocolPage: protocol.md shows every golden frame, byte for byte.
func TestProtocolPage(t *testing.T) {
	old := read(t, "protocol.md")
	by := map[string]frame{}
	for _, f := range frames(t) {
		by[f.Name] = f
	}
	page := marker.ReplaceAllStringFunc(old, func(s string) string {
		names := marker.FindStringSubmatch(s)[1]
		var b strings.Builder
		fmt.Fprintf(&b, "<!-- frames: %s -->\n\n%sframes\n", names, fences)
		for i, name := range strings.Split(names, "; ") {
			f, ok := by[name]
			if !ok {
				t.Errorf("no vector %q, or it is shown twice", name)
				continue
			}
			delete(by, name)
			if i > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(show(t, f))
		}
		b.WriteString(fences + "\n")
		return b.String()
	})
	for name := range by {
		t.Errorf("protocol.md does not show %q", name)
	}
	if page == old {
		return
	}
	if !*update {
		t.Fatal("protocol.md is not what the vectors say: go test ./firmware-notes -run Protocol -update")
	}
	if err := os.WriteFile("protocol.md", []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

// show writes one frame for people.
func show(t *testing.T, f frame) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "# %s (%s)", f.Name, map[string]string{"client": "device to hub", "hub": "hub to device"}[f.Dir])
	if f.Note != "" {
		b.WriteString(": " + strings.TrimSuffix(f.Note, "."))
	}
	raw, err := hex.DecodeString(f.CBOR)
	if err != nil {
		t.Fatal(err)
	}
	j := f.JSON
	if len(j) > 400 {
		j = j[:150] + " … " + j[len(j)-50:]
	}
	fmt.Fprintf(&b, "\n%s\n", wrap(j, 150))
	var lines []string
	at := 0
	item(t, raw, &at, 0, "", &lines)
	if at != len(raw) {
		t.Errorf("%s: %d bytes of %d shown", f.Name, at, len(raw))
	}
	if len(lines) > 24 {
		lines = append(append(lines[:10:10], "…"), lines[len(lines)-5:]...)
	}
	b.WriteString(strings.Join(lines, "\n"))
	fmt.Fprintf(&b, "\n%d bytes of CBOR, %d of JSON\n", len(raw), len(f.JSON))
	return b.String()
}

// wrap breaks a long line behind a comma.
func wrap(s string, width int) string {
	var b strings.Builder
	for utf8.RuneCountInString(s) > width {
		cut := strings.LastIndexByte(s[:width], ',') + 1
		if cut == 0 {
			break
		}
		b.WriteString(s[:cut] + "\n  ")
		s = s[cut:]
	}
	return b.String() + s
}

// item writes the envelope's item at raw[*at]: arrays and maps of the envelope
// member by member, anything else as it is.
func item(t *testing.T, raw []byte, at *int, depth int, indent string, lines *[]string) {
	t.Helper()
	begin := *at
	major, n := head(raw, at)
	switch {
	case major == 4 && depth == 0:
		*lines = append(*lines, line(indent+hex.EncodeToString(raw[begin:*at]), fmt.Sprintf("array of %d", n)))
		for range n {
			item(t, raw, at, 1, indent+"  ", lines)
		}
	case major == 5:
		*lines = append(*lines, line(indent+hex.EncodeToString(raw[begin:*at]), fmt.Sprintf("map of %d", n)))
		for range n {
			k := *at
			_, key := head(raw, at)
			v := *at
			skip(raw, at)
			val := raw[v:*at]
			what := codec.Key(key).String() + ": "
			if codec.Key(key) == codec.KeyOp {
				what += codec.Op(val[len(val)-1]).String()
			} else {
				j, err := codec.Transcode(nil, codec.JSON, codec.CBOR, val)
				if err != nil && codec.Key(key) != codec.KeyData {
					t.Fatal(err)
				}
				if what += string(j); err != nil || len(j) > 60 {
					what = codec.Key(key).String() + ": as above"
				}
			}
			h := hex.EncodeToString(val)
			first := indent + "  " + hex.EncodeToString(raw[k:v]) + " "
			for len(h) > 48 {
				*lines = append(*lines, line(first+h[:48], what))
				h, first, what = h[48:], indent+"     ", ""
			}
			*lines = append(*lines, line(first+h, what))
		}
	default:
		t.Fatalf("no frame: %x", raw)
	}
}

func line(left, right string) string {
	if right == "" {
		return left
	}
	return fmt.Sprintf("%-58s %s", left, right)
}

// head reads a head, skip a whole value, of bytes that are known to be good.
func head(raw []byte, at *int) (major int, n uint64) {
	c := raw[*at]
	*at++
	n = uint64(c & 31)
	if n >= 24 && n < 28 {
		size := 1 << (n - 24)
		n = 0
		for range size {
			n = n<<8 | uint64(raw[*at])
			*at++
		}
	}
	return int(c >> 5), n
}

func skip(raw []byte, at *int) {
	switch major, n := head(raw, at); major {
	case 2, 3:
		*at += int(n)
	case 4, 5:
		for range n * uint64(major-3) {
			skip(raw, at)
		}
	case 6:
		skip(raw, at)
	}
}

// TestPagesNameFiles: every path that the pages name is there.
func TestPagesNameFiles(t *testing.T) {
	path := regexp.MustCompile("`((?:c|vectors|micropython|arduino|esp-idf|python|browser)/[A-Za-z0-9_./-]*)`")
	for _, page := range []string{"README.md", "protocol.md", "discovery.md"} {
		for _, m := range path.FindAllStringSubmatch(read(t, page), -1) {
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s names %s: %v", page, m[1], err)
			}
		}
	}
}

// TestProtocolCodes: the page has every code and every option of sub's.
func TestProtocolCodes(t *testing.T) {
	page := read(t, "protocol.md")
	for _, code := range codec.Codes {
		if !strings.Contains(page, fmt.Sprintf("\n| %d |", code)) {
			t.Errorf("protocol.md does not say what to do on %d", code)
		}
	}
	for k := codec.KeyOp; k <= codec.KeyDrop; k++ {
		if !strings.Contains(page, fmt.Sprintf("\n| `%s` | %d |", k, k)) {
			t.Errorf("protocol.md does not have the key %s", k)
		}
	}
	for o := codec.OpHello; o <= codec.OpDelete; o++ {
		if o != 12 && !strings.Contains(page, fmt.Sprintf("| `%s` | %d |", o, o)) {
			t.Errorf("protocol.md does not have the op %s", o)
		}
	}
}
