package sense

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// tree is a fake board: files below a temporary root.
type tree struct {
	t    testing.TB
	root string
}

func newTree(t testing.TB, files map[string]string) tree {
	tr := tree{t, t.TempDir()}
	for name, content := range files {
		tr.put(name, content)
	}
	return tr
}

func (tr tree) put(name, content string) {
	tr.t.Helper()
	full := filepath.Join(tr.root, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr tree) remove(name string) {
	tr.t.Helper()
	if err := os.RemoveAll(filepath.Join(tr.root, name)); err != nil {
		tr.t.Fatal(err)
	}
}

// clock is the time of readings: it stands still until the test moves it.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1700000000, c.ns.Load()) }
func (c *clock) forward(d time.Duration) { c.ns.Add(int64(d)) }

func (tr tree) board(o Options) (*Board, *clock) {
	o.Root = tr.root
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	b := New(o)
	c := &clock{}
	b.now = c.now
	tr.t.Cleanup(b.Close)
	return b, c
}

// round reads once: "value unit" or the text by topic.
func round(t testing.TB, b *Board) (map[string]string, Summary) {
	t.Helper()
	got, s := lateRound(t, b)
	if len(got) != s.Readings {
		t.Errorf("%d readings of %d topics", s.Readings, len(got))
	}
	return got, s
}

// lateRound is round where a topic may come twice: late from the round before,
// and from this one.
func lateRound(t testing.TB, b *Board) (map[string]string, Summary) {
	t.Helper()
	got := map[string]string{}
	n := 0
	s := b.Read(context.Background(), func(r Reading) {
		n++
		got[r.Topic] = show(r)
		checkTopic(t, r.Topic)
	})
	if s.Readings != n {
		t.Errorf("Summary.Readings = %d, emitted %d", s.Readings, n)
	}
	return got, s
}

func show(r Reading) string {
	if r.Text != "" {
		return r.Text
	}
	return strings.TrimSpace(fmt.Sprint(r.Value, " ", r.Unit))
}

func checkTopic(t testing.TB, topic string) {
	t.Helper()
	for l := range strings.SplitSeq(topic, "/") {
		if l == "" || len(l) > maxName || l[0] == '$' || strings.ContainsAny(l, "+# \x00\n\t") {
			t.Errorf("bad level %q in %q", l, topic)
		}
	}
}

// want compares the readings below prefixes, and nothing else.
func want(t testing.TB, got map[string]string, expected map[string]string, without ...string) {
	t.Helper()
	for topic, v := range expected {
		if got[topic] != v {
			t.Errorf("%s = %q, want %q", topic, got[topic], v)
		}
	}
	for topic, v := range got {
		_, ok := expected[topic]
		for _, prefix := range without {
			ok = ok || strings.HasPrefix(topic, prefix)
		}
		if !ok {
			t.Errorf("unexpected %s = %q", topic, v)
		}
	}
}

// skips lists "path reason", sorted.
func skips(s Summary) []string {
	var list []string
	for _, k := range s.Skipped {
		list = append(list, k.Path+" "+string(k.Reason))
	}
	slices.Sort(list)
	return list
}

func wantSkips(t testing.TB, s Summary, expected ...string) {
	t.Helper()
	slices.Sort(expected)
	if got := skips(s); !slices.Equal(got, expected) {
		t.Errorf("skipped %q\nwant    %q", got, expected)
	}
}

func TestRaspberryPi(t *testing.T) {
	tr := newTree(t, pi)
	b, clock := tr.board(Options{})
	got, s := round(t, b)
	want(t, got, piReadings, "disk/root/")
	wantSkips(t, s)

	clock.forward(2 * time.Second)
	tr.put("proc/stat", "cpu  10300 200 3100 81500 600 0 100 0 0 0\n")
	tr.put("proc/net/dev", "  eth0:1004096    3219    0    0    0     0          0         0   200001    2534\n")
	tr.put("proc/diskstats", " 179       0 mmcblk0 100 10 5002 70 200 20 8016 90 0 100 160\n 179       1 mmcblk0p1 90 10 4000 70 200 20 8999 90 0\n")
	rates := map[string]string{
		"cpu/used": "20 /100", "net/eth0/rx": "2048 B/s", "net/eth0/tx": "1 B/s", // 0.5, rounded
		"disk/mmcblk0/read": "512 B/s", "disk/mmcblk0/write": "4096 B/s",
	}
	for k, v := range piReadings {
		rates[k] = v
	}
	got, s = round(t, b)
	want(t, got, rates, "disk/root/")
	wantSkips(t, s)
}

// Counters that fall, and interfaces that come and go, give no nonsense.
func TestRatesAfterReset(t *testing.T) {
	tr := newTree(t, map[string]string{"proc/net/dev": "a+b: 500 0 0 0 0 0 0 0 500\na#b: 1 0 0 0 0 0 0 0 1\n"})
	b, clock := tr.board(Options{})
	step := func(content string, expected map[string]string) {
		t.Helper()
		clock.forward(time.Second)
		tr.put("proc/net/dev", content)
		got, s := round(t, b)
		want(t, got, expected, "disk/root/")
		wantSkips(t, s)
	}
	round(t, b)
	step("a+b: 100 0 0 0 0 0 0 0 600\na#b: 2 0 0 0 0 0 0 0 3\n",
		map[string]string{"net/a_b/tx": "100 B/s", "net/a_b-2/rx": "1 B/s", "net/a_b-2/tx": "2 B/s"})
	step("a#b: 2 0 0 0 0 0 0 0 3\n", map[string]string{"net/a_b-2/rx": "0 B/s", "net/a_b-2/tx": "0 B/s"})
	step("a#b: 2 0 0 0 0 0 0 0 3\na+b: 100 0 0 0 0 0 0 0 600\n", map[string]string{"net/a_b-2/rx": "0 B/s", "net/a_b-2/tx": "0 B/s"})
	step("a+b: 103 0 0 0 0 0 0 0 18446744073709551615\nlo: 1 0 0 0 0 0 0 0 1\n",
		map[string]string{"net/a_b/rx": "3 B/s", "net/a_b/tx": "1.8446744073709552e+19 B/s"})
}

func TestManyInterfaces(t *testing.T) {
	var content strings.Builder
	for i := range maxFlows + 3 {
		fmt.Fprintf(&content, "veth%d: %d 0 0 0 0 0 0 0 1\n", i, i)
	}
	tr := newTree(t, map[string]string{"proc/net/dev": content.String()})
	b, clock := tr.board(Options{})
	round(t, b)
	clock.forward(time.Second)
	got, s := round(t, b)
	wantSkips(t, s, "/proc/net/dev too many")
	if len(got) != 2*maxFlows+2 {
		t.Errorf("%d readings", len(got))
	}
}

func TestBadContents(t *testing.T) {
	const zone = "sys/class/thermal/thermal_zone0/temp"
	for _, c := range []struct {
		name, file, content string
		reason              Reason // "" = taken
	}{
		{"empty", zone, "", Garbage},
		{"blank", zone, "\n", Garbage},
		{"words", zone, "N/A\n", Garbage},
		{"two numbers", zone, "1 2\n", Garbage},
		{"NaN", zone, "nan\n", Garbage},
		{"infinite", zone, "inf\n", Garbage},
		{"hexadecimal", zone, "0x10\n", Garbage},
		{"underscores", zone, "1_000\n", Garbage},
		{"beyond float64", zone, "1e999\n", Garbage},
		{"many digits", zone, strings.Repeat("9", 41) + "\n", Garbage},
		{"hot beyond all", zone, "99999999999\n", Garbage},
		{"below absolute zero", zone, "-274000\n", Garbage},
		{"negative", zone, "-40000\n", ""},
		{"zeros and NUL", zone, "0\x00\x00", Garbage},
		{"a page of nines", zone, strings.Repeat("9", 100<<10), Garbage},
		{"a page of lines", zone, strings.Repeat("9\n", 50<<10), Garbage},
		{"hwmon", "sys/class/hwmon/hwmon0/in0_input", "??", Garbage},
		{"iio", "sys/bus/iio/devices/iio:device0/in_rot_quaternion_input", "0.1 0.2 0.3 0.9", Garbage},
		{"w1 power-on", "sys/bus/w1/devices/28-01/temperature", "85000\n", PowerOn},
		{"w1 crc", "sys/bus/w1/devices/28-01/w1_slave", "ff ff : crc=c9 NO\nff ff t=-62\n", BadCRC},
		{"w1 short circuit", "sys/bus/w1/devices/28-01/w1_slave", "00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 00 t=0\n", BadCRC},
		{"w1 power-on, old file", "sys/bus/w1/devices/28-01/w1_slave", "50 05 : crc=1c YES\n50 05 t=85000\n", PowerOn},
		{"w1 cut short", "sys/bus/w1/devices/28-01/w1_slave", "50 05 : crc=1c YES\n", Garbage},
		{"w1 empty", "sys/bus/w1/devices/28-01/w1_slave", "", Garbage},
		{"status", "sys/class/power_supply/x/status", "\x01\x02", Garbage},
		{"load", "proc/loadavg", "0.1 x 0.2", Garbage},
		{"memory", "proc/meminfo", "MemTotal: 0 kB\n", Garbage},
		{"memory huge", "proc/meminfo", "MemTotal: 99999999999999999999999 kB\n", Garbage},
		{"stat", "proc/stat", "intr 1 2 3\n", Garbage},
		{"uptime", "proc/uptime", "-1 -1\n", Garbage},
		{"net", "proc/net/dev", "garbage", Garbage},
		{"pressure", "proc/pressure/io", "some avg10=101.00\n", Garbage},
		{"pressure empty", "proc/pressure/io", "", Garbage},
		{"a directory", zone + "/x", "", Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := newTree(t, map[string]string{c.file: c.content})
			b, _ := tr.board(Options{})
			got, s := round(t, b)
			if c.reason == "" {
				wantSkips(t, s)
				return
			}
			wantSkips(t, s, "/"+strings.TrimSuffix(c.file, "/x")+" "+string(c.reason))
			for topic := range got {
				if !strings.HasPrefix(topic, "disk/root/") && !strings.HasPrefix(topic, "load/") {
					t.Errorf("%s = %s", topic, got[topic])
				}
			}
		})
	}
}

// 85 °C is believed where it was nearly as hot before.
func TestPowerOn(t *testing.T) {
	const file = "sys/bus/w1/devices/28-01/temperature"
	tr := newTree(t, map[string]string{file: "20000"})
	b, _ := tr.board(Options{Relist: 2})
	for _, c := range []struct{ content, value string }{
		{"20000", "20 Cel"}, {"85000", ""}, {"84937", "84.937 Cel"}, {"85000", "85 Cel"}, {"85000", "85 Cel"}, {"20000", "20 Cel"},
	} {
		tr.put(file, c.content)
		if got, _ := round(t, b); got["w1/28-01"] != c.value {
			t.Errorf("%s: %q, want %q", c.content, got["w1/28-01"], c.value)
		}
	}
}

func TestNames(t *testing.T) {
	n := names{}
	long := strings.Repeat("é", 30)
	for _, c := range [][2]string{
		{"cpu-thermal", "cpu-thermal"}, {"cpu-thermal", "cpu-thermal-2"}, {"cpu-thermal", "cpu-thermal-3"},
		{"a/b+c#d", "a_b_c_d"}, {"a/b/c#d", "a_b_c_d-2"}, {"$SYS", "_SYS"}, {"a$", "a$"}, {"Core 0", "Core_0"},
		{"", "unnamed"}, {" \n", "unnamed-2"}, {"\x00\x1f\u009f", "___"}, {"\xff\xfe", "__"}, {"..", ".."},
		{long, strings.Repeat("é", 20)}, {long, strings.Repeat("é", 19) + "-2"},
	} {
		if got := n.take(c[0]); got != c[1] || len(got) > maxName {
			t.Errorf("take(%q) = %q, want %q", c[0], got, c[1])
		}
	}
}

func TestEqualNames(t *testing.T) {
	tr := newTree(t, nil)
	for i := range 11 { // hwmon10 after hwmon9
		tr.put(fmt.Sprintf("sys/class/hwmon/hwmon%d/name", i), "nvme\n")
		tr.put(fmt.Sprintf("sys/class/hwmon/hwmon%d/temp1_input", i), fmt.Sprint(i*1000))
		tr.put(fmt.Sprintf("sys/class/hwmon/hwmon%d/temp1_label", i), "Composite\n")
		tr.put(fmt.Sprintf("sys/class/hwmon/hwmon%d/temp2_input", i), "7")
		tr.put(fmt.Sprintf("sys/class/hwmon/hwmon%d/temp2_label", i), "Composite\n")
	}
	b, _ := tr.board(Options{})
	got, _ := round(t, b)
	for topic, v := range map[string]string{"hwmon/nvme/Composite": "0 Cel", "hwmon/nvme/Composite-2": "0.007 Cel", "hwmon/nvme-2/Composite": "1 Cel", "hwmon/nvme-11/Composite": "10 Cel"} {
		if got[topic] != v {
			t.Errorf("%s = %q, want %q", topic, got[topic], v)
		}
	}
}

func TestJSON(t *testing.T) {
	at := time.UnixMilli(1700000000250)
	for _, c := range []struct {
		r          Reading
		json, with string
	}{
		{Reading{Unit: "Cel", Value: 48.3}, `{"u":"Cel","v":48.3}`, `{"u":"Cel","v":48.3,"t":1700000000.25}`},
		{Reading{Value: 0.2}, `{"v":0.2}`, `{"v":0.2,"t":1700000000.25}`},
		{Reading{Unit: "B", Value: 3977617408}, `{"u":"B","v":3977617408}`, `{"u":"B","v":3977617408,"t":1700000000.25}`},
		{Reading{Unit: "F", Value: 2.5e-9}, `{"u":"F","v":2.5e-09}`, `{"u":"F","v":2.5e-09,"t":1700000000.25}`},
		{Reading{Text: "a\"\\\n\xffé"}, `{"vs":"a\"\\\u000a` + "\ufffdé\"}", `{"vs":"a\"\\\u000a` + "\ufffdé\",\"t\":1700000000.25}"},
		{Reading{Value: math.NaN()}, `{}`, `{"t":1700000000.25}`},
	} {
		c.r.Time = at
		if got := string(c.r.AppendJSON(nil)); got != c.json {
			t.Errorf("%+v: %s, want %s", c.r, got, c.json)
		}
		if got := string(c.r.AppendJSONTime(nil)); got != c.with {
			t.Errorf("%+v: %s, want %s", c.r, got, c.with)
		}
	}
}
