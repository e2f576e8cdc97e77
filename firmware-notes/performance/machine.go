package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// describe is this machine in a few lines of Markdown.
func describe() string {
	var b strings.Builder
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "- %s: %s\n", name, text)
		}
	}
	info := pairs("/proc/cpuinfo")
	cpu := info["model name"]
	if cpu == "" {
		cpu = info["Model"] // a Raspberry Pi
	}
	if strings.Contains(" "+info["flags"]+" ", " hypervisor ") {
		cpu += ", a virtual machine"
	}
	line("Processor", fmt.Sprintf("%s, %d cores (%s)", strings.TrimSpace(cpu), runtime.NumCPU(), runtime.GOARCH))
	if mhz := info["cpu MHz"]; mhz != "" {
		line("Clock now", mhz+" MHz"+file(", governor ", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))
	}
	line("Cache", info["cache size"])
	line("Memory", pairs("/proc/meminfo")["MemTotal"])
	line("Kernel", strings.TrimSpace(file("", "/proc/sys/kernel/ostype")+file(" ", "/proc/sys/kernel/osrelease")))
	line("System", strings.Trim(pairs("/etc/os-release")["PRETTY_NAME"], `"`))
	line("Go", runtime.Version())
	line("Load average when it began", file("", "/proc/loadavg"))
	if n := strings.TrimSpace(file("", "/proc/sys/net/netfilter/nf_conntrack_count")); n != "" && n != "0" {
		line("Netfilter", "follows connections ("+n+"), those of the loopback too: every packet pays for it")
	}
	line("Mosquitto", firstLine("mosquitto", "-h"))
	return b.String()
}

// pairs reads lines such as "model name : X" or NAME=X; the first of a name counts.
func pairs(name string) map[string]string {
	out := map[string]string{}
	text, _ := os.ReadFile(name)
	for l := range strings.Lines(string(text)) {
		i := strings.IndexAny(l, ":=")
		if i < 0 {
			continue
		}
		if k := strings.TrimSpace(l[:i]); out[k] == "" {
			out[k] = strings.TrimSpace(l[i+1:])
		}
	}
	return out
}

// file is what a small file says behind before, or nothing.
func file(before, name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return before + strings.TrimSpace(string(text))
}

// firstLine is the first line of a program's output, nothing where there is none.
func firstLine(name string, args ...string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name // not in every user's path
	}
	out, _ := exec.Command(path, args...).CombinedOutput()
	l, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(l)
}
