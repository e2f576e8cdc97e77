package firmware

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// An answer as a hub's responder gives it, written by hand so that odd ones
// can be made too.
type answer struct{ bytes.Buffer }

func (a *answer) name(labels ...string) *answer {
	for _, l := range labels {
		a.WriteByte(byte(len(l)))
		a.WriteString(l)
	}
	return a
}

func (a *answer) u16(v ...int) *answer {
	for _, x := range v {
		_ = binary.Write(a, binary.BigEndian, uint16(x))
	}
	return a
}

// rec ends a record whose name was written: type, class, lifetime, data.
func (a *answer) rec(typ, class, ttl int, data string) *answer {
	a.u16(typ, class, 0, ttl, len(data)).WriteString(data)
	return a
}

func ptr(at int) string { return string([]byte{0xc0 | byte(at>>8), byte(at)}) }

// packet is what a hub says to a plain DNS client: question at 12, PTR, SRV, TXT, A.
// The instance's name is compressed, the host's too.
func packet(name, id, txt string, ip string) []byte {
	a := &answer{}
	a.u16(0, 0x8400, 1, 1, 0, 3)
	a.name("_topicd", "_tcp", "local").WriteByte(0)
	a.u16(12, 1)
	a.WriteString(ptr(12))
	at := a.Len() + 10
	a.rec(12, 1, 10, string(append([]byte{byte(len(name))}, name...))+ptr(12))
	a.WriteString(ptr(at))
	host := a.Len() + 10 + 6
	a.rec(33, 0x8001, 10, "\x00\x00\x00\x00\x1f\x90\x02gw"+ptr(25))
	a.WriteString(ptr(at))
	a.rec(16, 0x8001, 10, strs("txtvers=1", "path=/hub", "ID="+id, "tls=0", txt))
	if ip != "" {
		a.WriteString(ptr(host))
		a.rec(1, 0x8001, 10, ip)
	}
	return a.Bytes()
}

func strs(s ...string) string {
	var b strings.Builder
	for _, x := range s {
		b.WriteByte(byte(len(x)))
		b.WriteString(x)
	}
	return b.String()
}

func packets() [][]byte {
	return [][]byte{
		packet("Greenhouse", "a1b2c3d4", "ver=1", "\x0a\x4d\x00\x01"),
		packet("K\u00fcche 1.5 (2)", "00000001", "", ""),
		two(),
	}
}

// two hubs behind one responder, and names in capitals.
func two() []byte {
	a := &answer{}
	a.u16(0, 0x8400, 0, 2, 0, 4)
	svc := a.Len()
	a.name("_TOPICD", "_tcp", "LOCAL").WriteByte(0)
	one := a.Len() + 10
	a.rec(12, 1, 120, "\x01a"+ptr(svc))
	a.WriteString(ptr(svc))
	b := a.Len() + 10
	a.rec(12, 1, 120, "\x01b"+ptr(svc))
	for i, at := range []int{one, b} {
		a.WriteString(ptr(at))
		a.rec(33, 1, 120, "\x00\x00\x00\x00\x00"+string(rune(80+i))+"\x02gw\x05local\x00")
		a.WriteString(ptr(at))
		a.rec(16, 1, 120, strs("id=0000000"+string(rune('1'+i))))
	}
	return a.Bytes()
}

func TestCDiscoveryAnswers(t *testing.T) {
	t.Parallel()
	d := newDriver(t, cc(t, "test_linux.c", "gcc", sanitized...))
	loop := packet("x", "1", "", "")
	cut := packets()[0]
	bye := bytes.Replace(cut, []byte{0, 12, 0, 1, 0, 0, 0, 10}, []byte{0, 12, 0, 1, 0, 0, 0, 0}, 1)
	copy(loop[12:], ptr(12)) // the service's name points at itself
	for _, c := range []struct {
		packet   []byte
		id, want string
	}{
		{cut, "-", "10.77.0.1:8080/hub id=a1b2c3d4 tls=0 Greenhouse"},
		{cut, "a1b2c3d4", "10.77.0.1:8080/hub id=a1b2c3d4 tls=0 Greenhouse"},
		{cut, "a1b2c3d", "none"},
		{cut, "a1b2c3d4e", "none"},
		{packets()[1], "-", "0.0.0.0:8080/hub id=00000001 tls=0 K\u00fcche 1.5 (2)"},
		{two(), "-", "0.0.0.0:80/ws id=00000001 tls=0 a"},
		{two(), "00000002", "0.0.0.0:81/ws id=00000002 tls=0 b"},
		{packet("n", "1", "tls=1", ""), "-", "0.0.0.0:8080/hub id=1 tls=0 n"}, // the first counts
		{packet("n", strings.Repeat("9", 40), "", ""), "-", "0.0.0.0:8080/hub id=" + strings.Repeat("9", 16) + " tls=0 n"},
		{loop, "-", "none"},
		{bye, "-", "none"},
		{nil, "-", "none"},
		{make([]byte, 1500), "-", "none"},
		{append([]byte{0, 0, 0x84, 0, 0xff, 0xff, 0, 1, 0, 0, 0, 0}, make([]byte, 1400)...), "-", "none"},
		{append([]byte{0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0}, bytes.Repeat([]byte{0xc0, 12}, 700)...), "-", "none"},
	} {
		if got := d.ask("D %x %s", c.packet, c.id); got != c.want {
			t.Errorf("%x %s:\n got %s\nwant %s", c.packet, c.id, got, c.want)
		}
	}
	whole := 0 // a cut between two records cannot be seen
	for n := range len(cut) - 1 {
		got := d.ask("D %x -", cut[:n])
		if got != "none" {
			whole++
		}
		if whole > 2 {
			t.Errorf("cut at %d: %s", n, got)
		}
	}
}
