//go:build linux

package sense

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fifo lays a file whose read blocks: even its open does, until somebody writes.
func (tr tree) fifo(name string) {
	tr.t.Helper()
	full := filepath.Join(tr.root, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := syscall.Mkfifo(full, 0o644); err != nil {
		tr.t.Fatal(err)
	}
}

// answer lets the read of a fifo return content.
func (tr tree) answer(name, content string) {
	tr.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		f, err := os.OpenFile(filepath.Join(tr.root, name), os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			f.WriteString(content)
			f.Close()
			return
		}
		if time.Now().After(end) {
			tr.t.Fatalf("nobody reads %s: %v", name, err)
		}
	}
}

// goroutines counts them when those of the tests before have ended: two are left,
// the test's and its caller.
func goroutines() int {
	for end := time.Now().Add(2 * time.Second); runtime.NumGoroutine() > 2 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	return runtime.NumGoroutine()
}

// wantGoroutines waits until no more than n are left.
func wantGoroutines(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, want %d\n%s", runtime.NumGoroutine(), n, buf[:runtime.Stack(buf, true)])
		}
	}
}

func TestStuckFile(t *testing.T) {
	const hung = "sys/class/hwmon/hwmon0/temp2_input"
	before := goroutines()
	tr := newTree(t, map[string]string{
		"sys/class/hwmon/hwmon0/name": "chip", "sys/class/hwmon/hwmon0/temp1_input": "1000", "sys/class/hwmon/hwmon0/temp3_input": "3000",
		"sys/class/thermal/thermal_zone0/temp": "4000", "proc/uptime": "5 5",
	})
	tr.fifo(hung)
	b, clock, p := tr.patient(Options{Relist: 3})
	others := map[string]string{"hwmon/chip/temp1": "1 Cel", "hwmon/chip/temp3": "3 Cel", "thermal/thermal_zone0": "4 Cel", "uptime": "5 s"}
	for range 20 {
		got, s := round(t, b)
		want(t, got, others, "disk/root/")
		wantSkips(t, s, "/"+hung+" stuck")
	}
	if waited := time.Duration(p.at.Load()); waited != limit {
		t.Errorf("they waited for %v: for what is known to be stuck", waited)
	}
	wantGoroutines(t, before+1)

	clock.forward(time.Second)
	answered := clock.now()
	tr.answer(hung, "2000\n")
	wantGoroutines(t, before)
	tr.remove(hung)
	tr.put(hung, "2500\n")
	clock.forward(time.Second)
	var values []string
	s := b.Read(context.Background(), func(r Reading) {
		if r.Topic == "hwmon/chip/temp2" {
			values = append(values, fmt.Sprint(r.Value, r.Time.Sub(answered)))
		}
	})
	wantSkips(t, s)
	if !slices.Equal(values, []string{"2 0s", "2.5 1s"}) {
		t.Errorf("after it answered: %q", values)
	}
	b.Close()
	wantGoroutines(t, before)
}

// Behind two stuck files the rest of a device is left alone.
func TestDeadDevice(t *testing.T) {
	before := goroutines()
	tr := newTree(t, map[string]string{"sys/class/hwmon/hwmon0/temp9_input": "9000", "sys/class/thermal/thermal_zone0/temp": "4000"})
	dir := "sys/class/hwmon/hwmon0/"
	for i := 1; i < 5; i++ {
		tr.fifo(fmt.Sprintf("%stemp%d_input", dir, i))
	}
	b, _, p := tr.patient(Options{})
	for range 4 {
		round(t, b)
		p.forward(limit)
	}
	got, s := round(t, b)
	want(t, got, map[string]string{"thermal/thermal_zone0": "4 Cel"}, "disk/root/")
	wantSkips(t, s, "/"+dir+"temp1_input stuck", "/"+dir+"temp2_input stuck",
		"/"+dir+"temp3_input busy", "/"+dir+"temp4_input busy", "/"+dir+"temp9_input busy")
	wantGoroutines(t, before+2)
	tr.answer(dir+"temp1_input", "1000")
	tr.answer(dir+"temp2_input", "2000")
	for i := 1; i < 5; i++ {
		tr.remove(fmt.Sprintf("%stemp%d_input", dir, i))
	}
	wantGoroutines(t, before)
	if got, _ = round(t, b); got["hwmon/hwmon0/temp9"] != "9 Cel" || got["hwmon/hwmon0/temp2"] != "2 Cel" {
		t.Errorf("not back: %v", got)
	}
	b.Close()
	wantGoroutines(t, before)
}

// More dead devices than readers: /proc and the living come all the same.
func TestManyStuck(t *testing.T) {
	const n = 3 * maxReaders
	before := goroutines()
	tr := newTree(t, map[string]string{fmt.Sprintf("sys/class/thermal/thermal_zone%d/temp", n): "4000", "proc/uptime": "5 5"})
	for i := range n {
		tr.fifo(fmt.Sprintf("sys/class/thermal/thermal_zone%d/temp", i))
	}
	b, _, p := tr.patient(Options{})
	for range 4 {
		got, s := lateRound(t, b)
		if got["uptime"] != "5 s" {
			t.Error("no /proc in this round")
		}
		if len(s.Skipped) < n {
			t.Errorf("only %d skips %q", len(s.Skipped), skips(s))
		}
		wantGoroutines(t, before+n+maxReaders)
		p.forward(limit)
	}
	got, s := lateRound(t, b)
	if got[fmt.Sprintf("thermal/thermal_zone%d", n)] != "4 Cel" || len(s.Skipped) != n {
		t.Errorf("%v, %d skips", got, len(s.Skipped))
	}
	wantGoroutines(t, before+n)
	b.Close()
	for i := range n {
		tr.answer(fmt.Sprintf("sys/class/thermal/thermal_zone%d/temp", i), "1")
	}
	wantGoroutines(t, before)
}

// The name of a chip blocks: it is missing, the others are not.
func TestStuckListing(t *testing.T) {
	before := goroutines()
	tr := newTree(t, map[string]string{
		"sys/class/hwmon/hwmon0/temp1_input": "1000", "sys/class/hwmon/hwmon1/name": "b", "sys/class/hwmon/hwmon1/temp1_input": "2000",
		"sys/class/thermal/thermal_zone0/temp": "4000",
	})
	tr.fifo("sys/class/hwmon/hwmon0/name")
	b, _, _ := tr.patient(Options{Relist: 2})
	for range 6 {
		got, s := round(t, b)
		want(t, got, map[string]string{"hwmon/b/temp1": "2 Cel", "thermal/thermal_zone0": "4 Cel"}, "disk/root/")
		wantSkips(t, s, "/sys/class/hwmon/hwmon0 stuck")
	}
	wantGoroutines(t, before+1)
	tr.answer("sys/class/hwmon/hwmon0/name", "a\n")
	wantGoroutines(t, before)
	tr.remove("sys/class/hwmon/hwmon0/name")
	tr.put("sys/class/hwmon/hwmon0/name", "a\n")
	round(t, b)
	round(t, b)
	got, s := round(t, b)
	want(t, got, map[string]string{"hwmon/a/temp1": "1 Cel", "hwmon/b/temp1": "2 Cel", "thermal/thermal_zone0": "4 Cel"}, "disk/root/")
	wantSkips(t, s)
	b.Close()
	wantGoroutines(t, before)
}

// A bus of slow sensors is read in turn, round after round, and nothing is lost.
func TestSlowBus(t *testing.T) {
	tr := newTree(t, map[string]string{"proc/uptime": "5 5"})
	const n = 12
	file := func(i int) string { return fmt.Sprintf("sys/bus/w1/devices/28-%02d/temperature", i) }
	for i := range n {
		tr.fifo(file(i))
	}
	b, _, p := tr.patient(Options{})
	p.each = limit / 4
	seen := map[string]string{}
	late := 0
	for range n {
		got, s := lateRound(t, b)
		for topic, v := range got {
			if strings.HasPrefix(topic, "w1/") {
				seen[topic] = v
			}
		}
		for _, k := range s.Skipped {
			if k.Reason != Late {
				t.Errorf("%+v", k)
			}
			late++
		}
		p.convert() // between two rounds
	}
	for i := range n {
		topic, v := fmt.Sprintf("w1/28-%02d", i), fmt.Sprint(20+float64(i)/1000, " Cel")
		if seen[topic] != v {
			t.Errorf("%s = %q, want %s", topic, seen[topic], v)
		}
	}
	if late == 0 {
		t.Error("nothing was late")
	}
	b.Close()
	for i := range n { // set free whoever still reads
		if f, err := os.OpenFile(filepath.Join(tr.root, file(i)), os.O_RDWR, 0); err == nil {
			f.Close()
		}
	}
}

// The kernel's links say which thermometers share a bus, and only those wait for
// each other.
func TestBuses(t *testing.T) {
	tr := newTree(t, nil)
	for _, slave := range []string{"w1_bus_master1/28-01", "w1_bus_master2/28-02", "w1_bus_master1/28-03"} {
		tr.put("sys/devices/"+slave+"/temperature", "20500\n")
		link := filepath.Join(tr.root, "sys/bus/w1/devices", filepath.Base(slave))
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../../../devices/"+slave, link); err != nil {
			t.Fatal(err)
		}
	}
	b, _ := tr.board(Options{})
	got, s := round(t, b)
	wantSkips(t, s)
	want(t, got, map[string]string{"w1/28-01": "20.5 Cel", "w1/28-02": "20.5 Cel", "w1/28-03": "20.5 Cel"}, "disk/root/")
	sources := map[string]int{}
	for _, d := range b.devices {
		sources[d.key] = len(d.sources)
	}
	if sources["/sys/bus/w1/devices/w1_bus_master1"] != 2 || sources["/sys/bus/w1/devices/w1_bus_master2"] != 1 {
		t.Errorf("%v", sources)
	}
}

func TestVanish(t *testing.T) {
	const file = "sys/class/hwmon/hwmon0/temp1_input"
	tr := newTree(t, map[string]string{file: "1000", "sys/class/thermal/thermal_zone0/temp": "4000"})
	b, _ := tr.board(Options{Relist: 100})
	round(t, b)
	tr.remove("sys/class/hwmon/hwmon0") // between listing and reading
	got, s := round(t, b)
	wantSkips(t, s, "/"+file+" gone")
	if s.Skipped[0].Err != syscall.ENOENT {
		t.Errorf("Err = %v", s.Skipped[0].Err)
	}
	want(t, got, map[string]string{"thermal/thermal_zone0": "4 Cel"}, "disk/root/")
	tr.put("sys/class/thermal/thermal_zone1/temp", "5000") // seen, as the vanished file brings the look forward
	for range 3 {
		got, s = round(t, b)
	}
	wantSkips(t, s)
	want(t, got, map[string]string{"thermal/thermal_zone0": "4 Cel", "thermal/thermal_zone1": "5 Cel"}, "disk/root/")
}

func TestRelist(t *testing.T) {
	tr := newTree(t, map[string]string{"proc/uptime": "1 1"})
	b, _ := tr.board(Options{Relist: 3})
	round(t, b)
	tr.put("sys/class/thermal/thermal_zone0/temp", "5000")
	for i, there := range []bool{false, false, true} {
		got, _ := round(t, b)
		if _, ok := got["thermal/thermal_zone0"]; ok != there {
			t.Errorf("round %d: %v", i+1, got)
		}
	}
}

func TestContextAndClose(t *testing.T) {
	const hung = "sys/class/thermal/thermal_zone0/temp"
	before := goroutines()
	tr := newTree(t, map[string]string{"proc/uptime": "5 5"})
	tr.fifo(hung)
	b, _, p := tr.patient(Options{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p.rests = cancel
	n := 0
	s := b.Read(ctx, func(Reading) { n++ })
	if waited := p.at.Load(); waited > 0 || n == 0 {
		t.Errorf("a cancelled round took %v and gave %d readings", time.Duration(waited), n)
	}
	wantSkips(t, s, "/"+hung+" late")
	closed := make(chan struct{})
	go func() { b.Close(); close(closed) }()
	time.Sleep(20 * time.Millisecond)
	tr.answer(hung, "1")
	<-closed
	b.Close() // again
	wantGoroutines(t, before)
	if s := b.Read(context.Background(), func(Reading) { t.Error("a reading after Close") }); s.Readings+len(s.Skipped) > 0 {
		t.Errorf("%+v", s)
	}
}

// Close ends a round in progress.
func TestCloseEndsRead(t *testing.T) {
	const hung = "sys/class/thermal/thermal_zone0/temp"
	tr := newTree(t, nil)
	tr.fifo(hung)
	b, _, p := tr.patient(Options{})
	read, waits := make(chan struct{}), make(chan struct{})
	p.rests = func() { close(waits) }
	go func() { b.Read(context.Background(), func(Reading) {}); close(read) }()
	<-waits
	b.Close() // the fifo never answers: it is waited for, but not for ever
	<-read
	if waited := time.Duration(p.at.Load()); waited != limit {
		t.Errorf("Close waited for %v", waited)
	}
	tr.answer(hung, "1")
}
