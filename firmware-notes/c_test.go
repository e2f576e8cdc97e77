package firmware

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"topicd/codec"
)

var strict = []string{"-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Werror"}

// cc compiles the C client with a driver and gives the program's path.
func cc(t *testing.T, main, compiler string, flags ...string) string {
	t.Helper()
	need(t, compiler)
	out := temp(t, "program")
	args := append(append([]string{"-o", out}, strict...), flags...)
	run(t, compiler, append(args, "c/topicd.c", "c/topicd_dnssd.c", "c/topicd_json.c", "c/"+main)...)
	return out
}

// sanitized is how the driver is built: what the C client must never do ends it.
var sanitized = []string{"-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"}

// driver is a running test_linux.c.
type driver struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

func newDriver(t *testing.T, argv ...string) *driver {
	t.Helper()
	c := exec.Command(argv[0], argv[1:]...)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	c.Stderr = &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := c.Wait(); err != nil || errs.Len() > 0 {
			t.Errorf("driver: %v\n%s", err, errs.String())
		}
	})
	return &driver{t, in, bufio.NewReader(out)}
}

func (d *driver) line() string {
	d.t.Helper()
	s, err := d.out.ReadString('\n')
	if err != nil {
		d.t.Fatal("the driver died: ", err)
	}
	return strings.TrimSuffix(s, "\n")
}

func (d *driver) ask(format string, args ...any) string {
	d.t.Helper()
	if _, err := fmt.Fprintf(d.in, format+"\n", args...); err != nil {
		d.t.Fatal(err)
	}
	return d.line()
}

// ends gives a test the driver with sanitizers, and as an ARM program.
func ends(t *testing.T, f func(t *testing.T, d *driver)) {
	t.Run("sanitized", func(t *testing.T) {
		f(t, newDriver(t, cc(t, "test_linux.c", "gcc", sanitized...)))
	})
	t.Run("arm", func(t *testing.T) {
		need(t, "qemu-arm-static")
		f(t, newDriver(t, "qemu-arm-static", cc(t, "test_linux.c", "arm-linux-gnueabihf-gcc", "-Os", "-static")))
	})
}

// unmask checks a client's frame as RFC 6455 5.1 to 5.3 want it and gives its content.
func unmask(t *testing.T, h string) []byte {
	t.Helper()
	b, err := hex.DecodeString(h)
	if err != nil || len(b) < 6 || b[0] != 0x82 || b[1]&0x80 == 0 {
		t.Fatalf("not a masked binary frame: %s", h)
	}
	n, at := int(b[1]&0x7f), 2
	if n == 126 {
		n, at = int(binary.BigEndian.Uint16(b[2:])), 4
		if n < 126 {
			t.Errorf("length %d is not in its shortest form", n)
		}
	}
	key, body := b[at:at+4], b[at+4:]
	if len(body) != n {
		t.Fatalf("length says %d, there are %d: %s", n, len(body), h)
	}
	if [4]byte(key) == [4]byte{} {
		t.Error("mask is zero")
	}
	for i := range body {
		body[i] ^= key[i&3]
	}
	return body
}

// same compares two frames by what they mean: members may come in any order.
func sameFrame(t *testing.T, a, b []byte) bool {
	t.Helper()
	j := func(p []byte) string {
		var d codec.Decoder
		d.Reset(codec.CBOR, p)
		var m codec.Message
		if err := d.Next(&m); err != nil {
			t.Fatalf("%x: %v", p, err)
		}
		return string(codec.Append(nil, codec.JSON, &m))
	}
	return j(a) == j(b) && len(a) == len(b)
}

func TestCBuildsGoldenFrames(t *testing.T) {
	t.Parallel()
	golden := map[string]string{}
	for _, f := range frames(t) {
		golden[f.Name] = f.CBOR
	}
	ends(t, func(t *testing.T, d *driver) {
		n := 0
		for line := d.ask("B"); line != "."; line = d.line() {
			name, frame, _ := strings.Cut(line, "\t")
			want, err := hex.DecodeString(golden[name])
			if err != nil || len(want) == 0 {
				t.Errorf("no vector %q", name)
				continue
			}
			if got := unmask(t, frame); !sameFrame(t, got, want) {
				t.Errorf("%s: %x, want %x", name, got, want)
			}
			n++
		}
		if n < 15 {
			t.Errorf("only %d frames", n)
		}
	})
}

func TestCReadsGoldenFrames(t *testing.T) {
	t.Parallel()
	all := frames(t)
	ends(t, func(t *testing.T, d *driver) {
		for _, f := range all {
			if strings.Contains(f.Name, "batch") || strings.Contains(f.Name, "hello") {
				continue // the hub sends none
			}
			b, _ := hex.DecodeString(f.CBOR)
			if got, want := d.ask("M %s", f.CBOR), expect(t, b); got != want {
				t.Errorf("%s:\n got %s\nwant %s", f.Name, got, want)
			}
		}
	})
}

// expect says what the driver must say about a message.
func expect(t *testing.T, b []byte) string {
	t.Helper()
	var dec codec.Decoder
	dec.Reset(codec.CBOR, b)
	var m codec.Message
	if err := dec.Next(&m); err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	fmt.Fprintf(&s, "op=%d", m.Op)
	num := func(k codec.Key, name string, v any) {
		if m.Has.Has(k) {
			fmt.Fprintf(&s, " %s=%v", name, v)
		}
	}
	num(codec.KeyID, "id", m.ID)
	num(codec.KeyTS, "ts", m.TS)
	num(codec.KeySeq, "seq", m.Seq)
	num(codec.KeyEp, "ep", m.Ep)
	num(codec.KeyDrop, "drop", m.Drop)
	num(codec.KeyErr, "code", m.Err.Code)
	if m.Err.Retry > 0 {
		num(codec.KeyErr, "retry", m.Err.Retry)
	}
	num(codec.KeyData, "data", hex.EncodeToString(m.Data))
	num(codec.KeyFrom, "from", string(m.From))
	if m.IsAlias {
		num(codec.KeyTopic, "topic", m.Alias)
	} else {
		num(codec.KeyTopic, "topic", string(m.Topic))
	}
	return s.String() + " whole=1"
}

func TestCFloats(t *testing.T) {
	t.Parallel()
	d := newDriver(t, cc(t, "test_linux.c", "gcc", sanitized...))
	send := []float32{0, 1, -1, 21.5, 65504, 65505, 65536, 0.1, 1e-7, 1e-45, 6.1035156e-05, 3.0517578e-05, -0.5, 1e38, 2049, 2048}
	for range 300 {
		f := math.Float32frombits(rand.Uint32())
		if f == f && !math.IsInf(float64(f), 0) {
			send = append(send, f, float32(rand.IntN(4000)-2000)/64)
		}
	}
	for _, f := range send {
		got := d.ask("F %x", math.Float32bits(f))
		b, _ := hex.DecodeString(got)
		j, err := codec.Transcode(nil, codec.JSON, codec.CBOR, b)
		v, _ := strconv.ParseFloat(string(j), 32)
		if math.Abs(float64(f)) < 1.17549435e-38 {
			f = 0 // too near to zero
		}
		if err != nil || float32(v) != f {
			t.Errorf("%v is sent as %s: %s %v", f, got, j, err)
		}
		if a := math.Abs(float64(f)); a >= 1.0/16384 && a <= 65504 && math.Float32bits(f)&0x1fff == 0 && len(b) != 3 {
			t.Errorf("%v takes %d bytes", f, len(b))
		}
	}
	real := func(cborHex string, want float32) {
		t.Helper()
		if got := d.ask("R %s", cborHex); got != fmt.Sprintf("%08x", math.Float32bits(want)) {
			t.Errorf("%s is %s, want %08x (%v)", cborHex, got, math.Float32bits(want), want)
		}
	}
	for h := range 1 << 16 { // all halves but NaN and infinity, which the hub refuses
		if h&0x7c00 != 0x7c00 && (h < 2048 || h&0x3f == 5 || h&0x3ff < 2) {
			real(fmt.Sprintf("f9%04x", h), half(uint16(h)))
		}
	}
	for range 1000 {
		f := math.Float32frombits(rand.Uint32())
		if f == f {
			real(fmt.Sprintf("fa%08x", math.Float32bits(f)), f)
		}
		v := math.Float64frombits(rand.Uint64()&^(0x7ff<<52) | uint64(897+rand.IntN(253))<<52)
		want := float32(v)
		if up := math.Float64bits(v)&0x1fffffff == 0x10000000; !up { // halfway goes up, not to even
			real(fmt.Sprintf("fb%016x", math.Float64bits(v)), want)
		}
	}
	for _, v := range []float64{0, 0.1, -0.1, 1e-60, 3e38} {
		real(fmt.Sprintf("fb%016x", math.Float64bits(v)), float32(v))
	}
	real(fmt.Sprintf("fb%016x", math.Float64bits(1e300)), float32(math.Inf(1)))
}

func half(h uint16) float32 {
	m, e := float64(h&0x3ff), int(h>>10&31)
	v := math.Ldexp(m, -24)
	if e > 0 {
		v = math.Ldexp(m+1024, e-25)
	}
	return float32(math.Copysign(v, 1-2*float64(h>>15)))
}

// TestCSkips: maps and arrays of any kind are gone over, and what is broken is not.
func TestCSkips(t *testing.T) {
	t.Parallel()
	d := newDriver(t, cc(t, "test_linux.c", "gcc", sanitized...))
	deep := func(n int) string { return strings.Repeat("81", n) + "00" }
	for h, want := range map[string]int{
		"00": 1, "1bffffffffffffffff": 9, "1b00": -1, "1c": -1, "1f": -1, "ff": -1, "": -1,
		"6161": 2, "6261": -1, "7b0000000000000001ff": 10, "7bffffffffffffffff": -1, "7fff": -1, "5f4100ff": -1,
		"80": 1, "9fff": 2, "9f": -1, "9f00": -1, "9f9fffff": 4, "829fff00": 4, "829fff": -1, "82ff": -1,
		"a10102": 3, "bf0102ff": 4, "bfff": 2, "a1bf01a10203ff": -1, "a101bf02a10304ff05": 8, "9b00000000ffffffff": -1,
		"c100": 2, "d84d420100": 5, "c1c1c100": 4, "c1": -1, "f4": 1, "f97c00": 3, "f97c": -1, "fb0000000000000000": 9,
		deep(19): 20, deep(20): -1, "9a80000000": -1, "bb7fffffffffffffff": -1,
	} {
		if got := d.ask("S %s", h); got != strconv.Itoa(want) {
			t.Errorf("%s: %s, want %d", h, got, want)
		}
	}
}

// TestCReceives: what may come from a socket, in any pieces.
func TestCReceives(t *testing.T) {
	t.Parallel()
	d := newDriver(t, cc(t, "test_linux.c", "gcc", sanitized...))
	http := hex.EncodeToString([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"))
	pong := "8203a10009"
	big := func(n int) string { // a msg of n bytes of content
		return fmt.Sprintf("827e%04x", n) + "a2000303" + fmt.Sprintf("59%04x", n-7) + strings.Repeat("00", n-7)
	}
	for in, want := range map[string]string{
		http:          "49 big=0",
		http + pong:   "big=0", // nothing comes behind it before we spoke: waits for its end
		pong + pong:   "9 9 big=0",
		pong + "82":   "9 big=0",
		"8900" + pong: "137 9 big=0", "8802" + "03e8": "136 big=0", "8103" + "7b7d20": "129 big=0",
		"8283":            "-1 big=0", // masked
		"0203a10009":      "-1 big=0", // a fragment
		"c203a10009":      "-1 big=0", // compressed
		"8201ff":          "-1 big=0", // no map
		"8200":            "-1 big=0",
		"820181":          "-1 big=0", // a batch
		"8203a20009":      "9 big=0",  // nobody looked further than op
		big(200) + pong:   "3 9 big=0",
		big(300) + pong:   "9 big=1", // more than the buffer
		big(60000) + pong: "9 big=1",
		"827f0000000000010000" + strings.Repeat("00", 65536) + pong:            "9 big=1",
		"827fffffffffffffffff" + strings.Repeat("00", 400):                     "big=1",
		hex.EncodeToString([]byte("HTTP/1.1 403 Forbidden\r\n\r\n")):           "52 big=0",
		hex.EncodeToString([]byte("HTTP/1.1 101 " + strings.Repeat("x", 300))): "-1 big=0",
	} {
		if got := d.ask("X %s", in); got != want {
			t.Errorf("%.60s: %s, want %s", in, got, want)
		}
	}
}

// TestCMutations feeds golden frames and mDNS answers, mutated and cut, to
// everything that reads, under the sanitizers.
func TestCMutations(t *testing.T) {
	onlyOnce(t)
	t.Parallel()
	d := newDriver(t, cc(t, "test_linux.c", "gcc", sanitized...))
	for _, f := range frames(t) {
		d.ask("M %s", f.CBOR)
		for _, h := range f.AlsoCBOR {
			d.ask("M %s", h)
		}
	}
	for _, p := range packets() {
		d.ask("D %x -", p)
	}
	for i := range 4 {
		if got := d.ask("Z 100000 %d", i*7919+1); !strings.HasPrefix(got, "ok") {
			t.Error(got)
		}
	}
}
