package supervisor

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// DropPages gives back the program's own pages that only its start needed: the kernel
// maps them around each one that is touched, and 10 MB of what the hub takes would be
// code and tables that it never uses again. Those that it does use come back by
// themselves, from the page cache.
func DropPages() {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer f.Close()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for s := bufio.NewScanner(f); s.Scan(); {
		var from, to uintptr
		var rights string
		if _, err := fmt.Sscanf(s.Text(), "%x-%x %s", &from, &to, &rights); err != nil || strings.Contains(rights, "w") || !strings.HasSuffix(s.Text(), exe) {
			continue
		}
		// Neither is ever written: what is dropped is read from the file again.
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED)
	}
}
