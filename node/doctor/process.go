package doctor

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Process is the hub that runs on this machine, nil = none that can be seen. What
// its methods then tell is of this process.
type Process struct {
	pid  int
	args []string
}

// Running looks for `topicd serve`.
func Running() *Process {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		text, err := os.ReadFile(dir + "/cmdline")
		args := strings.Split(string(text), "\x00")
		if err != nil || len(args) < 2 || filepath.Base(args[0]) != "topicd" || args[1] != "serve" {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		return &Process{pid, args}
	}
	return nil
}

func (p *Process) file(name string) string {
	if p == nil {
		return "/proc/self/" + name
	}
	return fmt.Sprintf("/proc/%d/%s", p.pid, name)
}

// Config is the file that it was given, "" = none.
func (p *Process) Config() string {
	if p == nil {
		return ""
	}
	for i, arg := range p.args {
		if v, ok := strings.CutPrefix(arg, "--config="); ok {
			return v
		}
		if arg == "--config" && i+1 < len(p.args) {
			return p.args[i+1]
		}
	}
	return ""
}

// memoryMax is the least that its control groups allow, and which, 0 = no limit.
func (p *Process) memoryMax() (most int64, where string) {
	text, _ := os.ReadFile(p.file("cgroup"))
	for _, line := range strings.Split(string(text), "\n") {
		path, ok := strings.CutPrefix(line, "0::")
		for ; ok && path != "/" && path != "."; path = filepath.Dir(path) {
			text, err := os.ReadFile("/sys/fs/cgroup" + path + "/memory.max")
			if n, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && bad == nil && (most == 0 || n < most) {
				most, where = n, "MemoryMax of "+path
			}
		}
	}
	return most, where
}

// files is how many it may have open.
func (p *Process) files() int64 {
	text, _ := os.ReadFile(p.file("limits"))
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if f := strings.Fields(rest); len(f) > 1 {
				n, err := strconv.ParseInt(f[1], 10, 64) // the hard one: Go raises the soft one itself
				if err == nil {
					return n
				}
			}
		}
	}
	return 1 << 20 // unlimited, or a system that does not say
}

// resident is the memory that it has now.
func (p *Process) resident() int64 {
	if p == nil {
		return 0
	}
	return KB(p.file("status"), "VmRSS:") << 10
}

// KB is a figure in kB of a file of /proc, 0 = there is none.
func KB(file, name string) int64 {
	text, _ := os.ReadFile(file)
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest + " 0")[0], 10, 64)
			return n
		}
	}
	return 0
}

// listens tells whether it is the one that has the port. Whose sockets cannot be seen is
// believed to.
func (p *Process) listens(addr string) bool {
	_, text, _ := net.SplitHostPort(addr)
	port, _ := strconv.Atoi(text)
	listening := map[string]bool{} // sockets at the port, as /proc/PID/fd has them
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		text, _ := os.ReadFile(p.file(table))
		for _, line := range strings.Split(string(text), "\n") {
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				listening["socket:["+f[9]+"]"] = true
			}
		}
	}
	links, _ := filepath.Glob(p.file("fd/*"))
	for _, l := range links {
		if to, err := os.Readlink(l); err != nil || listening[to] {
			return true
		}
	}
	return len(links) == 0
}
