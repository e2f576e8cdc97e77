package front

import (
	"strings"
	"testing"
)

// However a head comes in pieces, its lines are counted, and the body's are not.
func TestHeadLines(t *testing.T) {
	fields := func(n int) string { return strings.Repeat("a: b\r\n", n) }
	for _, c := range []struct {
		text        string
		few, headed bool
	}{
		{"GET / HTTP/1.1\r\n" + fields(100) + "\r\n", true, true},
		{"GET / HTTP/1.1\r\n" + fields(101), false, false},
		{"GET / HTTP/1.1\n" + strings.Repeat("a:b\n", 101), false, false},
		{"\r\n\r\n\r\nGET / HTTP/1.1\r\n" + fields(3) + "\r\n" + strings.Repeat("1\n", 1000), true, true},
		{"GET / HTTP/1.1\n\n" + strings.Repeat("1\n", 1000), true, true},
		{strings.Repeat("x", 5000), true, false},
		{"", true, false},
	} {
		for _, size := range []int{1, 2, 7, 10_000} {
			var h headConn
			few := true
			for b := []byte(c.text); len(b) > 0; b = b[min(size, len(b)):] {
				if !h.body {
					few = h.take(b[:min(size, len(b))]) && few
				}
			}
			if few != c.few || h.body != c.headed {
				t.Errorf("%.40q… by %d: few %v, its end seen %v", c.text, size, few, h.body)
			}
		}
	}
}
