package link_test

import (
	"fmt"
	"testing"
)

// TestUTF8 is group 6: text must be UTF-8, whatever way it comes.
func TestUTF8(t *testing.T) {
	t.Parallel()
	const kosme = "κόσμε"
	valid := []string{
		"", "Hello-µ@ßöäüàá-UTF-8!!", kosme, "\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff",
		"\U00010000", "\U0001fffe", "\U0010ffff", "日本語", "\U0001f600\u200d\U0001f680",
	}
	invalid := []string{
		"\x80", "\xbf", "\x80\xbf\x80", "\xc0", "\xc0 ", "\xdf ", "\xe0\x80 ", "\xef\xbf", "\xf0\x80\x80 ", "\xfe", "\xff", "\xfe\xfe\xff\xff", // strays and truncations
		"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf", // overlong
		"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xc0\x80", // largest overlong, NUL
		"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", // surrogates
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf7\xbf\xbf\xbf", "\xf8\x88\x80\x80\x80", "\xfd\xbf\xbf\xbf\xbf\xbf", // above 10FFFF
		"Hello\xffWorld", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
	}
	for i := 1; i < len(kosme); i++ { // truncated at the end
		if kosme[i]&0xc0 == 0x80 {
			invalid = append(invalid, kosme[:i])
		}
	}
	for i := range len(kosme) { // a bad octet at each position
		invalid = append(invalid, kosme[:i]+"\xff"+kosme[i:])
	}
	var cases []wsCase
	each := func(p string, want string, bad bool) {
		end := []string{want}
		cases = append(cases, wsCase{name: fmt.Sprintf("%q whole", p), send: several(text(p)), want: end})
		for i := range len(p) + 1 { // a code point may lie across fragments
			cases = append(cases, wsCase{name: fmt.Sprintf("%q split at %d", p, i), send: several(frag(false, opText, p[:i]), frag(true, opContinuation, p[i:])), want: end, octets: i == 1})
		}
		if bad { // binary may hold anything
			cases = append(cases, wsCase{name: fmt.Sprintf("%q binary", p), send: several(frag(true, opBinary, p)), want: []string{"binary:" + p}})
		}
	}
	for _, p := range valid {
		each(p, "text:"+p, false)
	}
	for _, p := range invalid {
		each(p, "close:1007", true)
	}
	runCases(t, cases)
}
