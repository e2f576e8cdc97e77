package sense

import (
	"bytes"
	"math"
	"os"
)

// procDevice has the kernel's own figures. Their files exist or not for good, so
// it is there before the first listing.
func (b *Board) procDevice() *device {
	return &device{key: "/proc", spread: true, listed: true, sources: b.procSources()}
}

// procSources returns the files of /proc that this kernel has.
func (b *Board) procSources() []*source {
	root := b.o.Root
	all := []*source{
		{path: "/proc/loadavg", topic: "load/1m", read: readLoad(root + "/proc/loadavg")},
		{path: "/proc/meminfo", topic: "memory/total", read: readMemory(root + "/proc/meminfo")},
		{path: "/proc/stat", topic: "cpu/used", read: readCPU(root + "/proc/stat")},
		{path: "/proc/uptime", topic: "uptime", read: readUptime(root + "/proc/uptime")},
		{path: "/proc/net/dev", topic: "net", read: readNet(root + "/proc/net/dev")},
		{path: "/proc/diskstats", topic: "disk", read: readDisks(root+"/proc/diskstats", b)},
	}
	for _, what := range [...]string{"cpu", "memory", "io"} {
		path := "/proc/pressure/" + what
		all = append(all, &source{path: path, topic: "pressure/" + what,
			read: readPressure(root+path, "pressure/"+what)})
	}
	kept := all[:0]
	for _, s := range all {
		if _, err := os.Stat(root + s.path); err == nil {
			kept = append(kept, s)
		}
	}
	// Last: a root on a dead network file system blocks.
	return append(kept, &source{path: "/", topic: "disk/root", read: readSpace(root + "/")})
}

// field returns the first word of b and what follows it.
func field(b []byte) (word, rest []byte) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	j := i
	for j < len(b) && b[j] != ' ' && b[j] != '\t' {
		j++
	}
	return b[i:j], b[j:]
}

// line returns the first line of b and what follows it.
func line(b []byte) (first, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// percent is 100*part/whole to two decimals.
func percent(part, whole float64) float64 { return math.Round(part/whole*10000) / 100 }

// readLoad reads "0.20 0.18 0.12 1/80 11206".
func readLoad(path string) readFunc {
	topics := [...]string{"load/1m", "load/5m", "load/15m"}
	return func(r *reader) error {
		b, err := r.file(path)
		if err != nil {
			return err
		}
		b, _ = line(b)
		for _, topic := range topics {
			var word []byte
			word, b = field(b)
			v, ok := parseNumber(word)
			if !ok || v < 0 {
				return refusal(Garbage)
			}
			if err := r.add(topic, unitNone, v); err != nil {
				return err
			}
		}
		return nil
	}
}

// readUptime reads "350735.47 234388.90".
func readUptime(path string) readFunc {
	return func(r *reader) error {
		b, err := r.file(path)
		if err != nil {
			return err
		}
		b, _ = line(b)
		word, _ := field(b)
		v, ok := parseNumber(word)
		if !ok || v < 0 {
			return refusal(Garbage)
		}
		return r.add("uptime", unitS, v)
	}
}

// readMemory reads lines such as "MemTotal:        3884392 kB". Kernels before
// 3.14 have no MemAvailable; free, buffers and cache come near it.
func readMemory(path string) readFunc {
	return func(r *reader) error {
		b, err := r.file(path)
		if err != nil {
			return err
		}
		const none = -1.0
		total, available, rest := none, none, 0.0
		for len(b) > 0 {
			var l []byte
			l, b = line(b)
			key, l := field(l)
			word, _ := field(l)
			kib, ok := parseUint(word)
			if !ok {
				continue
			}
			v := float64(kib) * 1024
			switch string(key) {
			case "MemTotal:":
				total = v
			case "MemAvailable:":
				available = v
			case "MemFree:", "Buffers:", "Cached:":
				rest += v
			}
		}
		if available == none {
			available = rest
		}
		if total <= 0 || available > total {
			return refusal(Garbage)
		}
		if err := r.add("memory/total", unitB, total); err != nil {
			return err
		}
		if err := r.add("memory/available", unitB, available); err != nil {
			return err
		}
		return r.add("memory/used", unitPercent, percent(total-available, total))
	}
}

// readCPU reads "cpu  user nice system idle iowait irq softirq steal guest …",
// in ticks since the start. What is neither idle nor waiting for a disk is used.
func readCPU(path string) readFunc {
	var oldTotal, oldIdle uint64
	known := false
	return func(r *reader) error {
		b, err := r.file(path)
		if err != nil {
			return err
		}
		b, _ = line(b)
		word, b := field(b)
		if string(word) != "cpu" {
			return refusal(Garbage)
		}
		var total, idle uint64
		for i := range 8 { // guest times, behind, are in user and nice already
			word, b = field(b)
			ticks, ok := parseUint(word)
			if !ok && (len(word) > 0 || i < 4) { // the first kernels had four
				return refusal(Garbage)
			}
			total += ticks
			if i == 3 || i == 4 {
				idle += ticks
			}
		}
		dTotal, dIdle := total-oldTotal, idle-oldIdle
		// The iowait of proc_stat(5) may go backwards.
		valid := known && total > oldTotal
		if idle < oldIdle {
			dIdle = 0
		}
		if known && total == oldTotal {
			return nil // less than a tick since
		}
		oldTotal, oldIdle, known = total, idle, true
		if !valid {
			return nil
		}
		return r.add("cpu/used", unitPercent, percent(float64(dTotal-min(dIdle, dTotal)), float64(dTotal)))
	}
}

// readPressure reads "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and the
// same of "full": the share of time some or all tasks waited.
func readPressure(path, topic string) readFunc {
	some, full := topic+"/some", topic+"/full"
	return func(r *reader) error {
		b, err := r.file(path)
		if err != nil {
			return err
		}
		for len(b) > 0 {
			var l []byte
			l, b = line(b)
			kind, l := field(l)
			word, _ := field(l)
			name := some
			switch string(kind) {
			case "some":
			case "full":
				name = full
			default:
				return refusal(Garbage)
			}
			word, ok := bytes.CutPrefix(word, []byte("avg10="))
			v, isNumber := parseNumber(word)
			if !ok || !isNumber || v < 0 || v > 100 {
				return refusal(Garbage)
			}
			if err := r.add(name, unitPercent, v); err != nil {
				return err
			}
		}
		if len(r.out) == 0 {
			return refusal(Garbage)
		}
		return nil
	}
}

// readSpace asks for the space of the file system that holds the root.
func readSpace(path string) readFunc {
	return func(r *reader) error {
		used, free, err := diskSpace(path)
		if err != nil {
			return err
		}
		r.at = r.board.now()
		if err := r.add("disk/root/free", unitB, free); err != nil {
			return err
		}
		if used+free <= 0 {
			return nil // a file system without blocks has no share in use
		}
		return r.add("disk/root/used", unitPercent, percent(used, used+free))
	}
}
