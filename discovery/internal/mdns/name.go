package mdns

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/miekg/dns"
)

// MaxLabel is the longest label in bytes, and so the longest instance name
// (RFC 1035 section 3.1, RFC 6763 section 4.1.1).
const MaxLabel = 63

// Escape gives the presentation form of one label made of the plain bytes s:
// all but letters, digits, '-' and '_' become \DDD (RFC 1035 section 5.1).
//
// A dot must become \046 and not "\.": zeroconf trims dots from the end of an
// instance name and would leave a backslash that swallows the next dot.
func Escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			b.WriteByte('\\')
			b.WriteByte('0' + c/100)
			b.WriteByte('0' + c/10%10)
			b.WriteByte('0' + c%10)
		}
	}
	return b.String()
}

// Unescape is the reverse of [Escape] for any presentation form.
func Unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		if i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 10, 8); err == nil {
				b = append(b, byte(n))
				i += 3
				continue
			}
		}
		i++
		b = append(b, s[i])
	}
	return string(b)
}

// wireForm writes a name the way it looks after a trip over the wire, so that
// it can be compared with names that were received. A name that cannot be sent
// gives "".
func wireForm(name string) string {
	buf := make([]byte, 256)
	if _, err := dns.PackDomainName(name, buf, 0, nil, false); err != nil {
		return ""
	}
	s, _, err := dns.UnpackDomainName(buf, 0)
	if err != nil {
		return ""
	}
	return s
}

// fold lowers the ASCII letters of a received name: names compare without
// regard to their case (RFC 6762 section 16).
func fold(name string) string { return dns.CanonicalName(name) }

// Rename gives the n-th name to try after a conflict: "hub (2)", "hub (3)"
// (RFC 6763 appendix D), cut at a character so that it stays a label.
func Rename(base string, n int) string {
	return cut(base, " ("+strconv.Itoa(n)+")")
}

// RenameHost is [Rename] for a host label: "gw-2" (RFC 6762 section 9).
func RenameHost(base string, n int) string {
	return cut(base, "-"+strconv.Itoa(n))
}

func cut(base, suffix string) string {
	for len(base)+len(suffix) > MaxLabel {
		_, size := utf8.DecodeLastRuneInString(base)
		base = base[:len(base)-size]
	}
	return base + suffix
}
