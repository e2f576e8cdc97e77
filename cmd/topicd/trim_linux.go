package main

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// trimProgram gives back the pages of the program itself that only its start
// needed, or a request by HTTP: tables of Unicode, TLS and DNS, init functions,
// what a stack is unwound with. They are read again from the file when they are.
// On amd64 1.3 MiB of RSS at the start, 3 MiB after a few handshakes.
func trimProgram() {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for line := range bytes.Lines(maps) {
		f := bytes.Fields(line)
		if len(f) < 6 || string(f[5]) != self || f[1][1] == 'w' {
			continue // never the variables: what was written would be lost
		}
		lo, hi, _ := bytes.Cut(f[0], []byte("-"))
		from, err1 := strconv.ParseUint(string(lo), 16, 64)
		to, err2 := strconv.ParseUint(string(hi), 16, 64)
		if err1 != nil || err2 != nil || from >= to {
			continue
		}
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(from), uintptr(to-from), unix.MADV_DONTNEED)
	}
}
