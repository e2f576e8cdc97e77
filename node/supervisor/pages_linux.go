package supervisor

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ShedPages calls DropPages now and after collections of garbage, once in ten seconds
// at most: a collection looks at code and tables all over the program, and 4 MB would stay
// mapped for it.
func ShedPages() {
	DropPages()
	var last time.Time
	var after func(struct{})
	after = func(struct{}) {
		if time.Since(last) > 10*time.Second {
			DropPages()
			last = time.Now()
		}
		runtime.AddCleanup(&garbage{}, after, struct{}{})
	}
	runtime.AddCleanup(&garbage{}, after, struct{}{})
}

// garbage is what the next collection finds: with a pointer in it, as what has none may
// share its memory with others that live on (runtime.AddCleanup).
type garbage struct{ _ *byte }

// DropPages gives back the program's own pages that only its start, or something rare,
// needed: the kernel maps sixteen for each one that is touched, and 10 MB of what the hub
// takes would be code and tables that it hardly ever uses. Those that it does use come
// back by themselves from the page cache, with some 270 page faults.
func DropPages() {
	for _, r := range ownPages() {
		// Neither is ever written: what is dropped is read from the file again.
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, r.from, r.to-r.from, syscall.MADV_DONTNEED)
	}
}

type addresses struct{ from, to uintptr }

// ownPages are where the program's file is mapped and not written to.
var ownPages = sync.OnceValue(func() (list []addresses) {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil
	}
	defer f.Close()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil
	}
	for s := bufio.NewScanner(f); s.Scan(); {
		var r addresses
		var rights string
		if _, err := fmt.Sscanf(s.Text(), "%x-%x %s", &r.from, &r.to, &rights); err == nil && !strings.Contains(rights, "w") && strings.HasSuffix(s.Text(), exe) {
			list = append(list, r)
		}
	}
	return list
})
