package supervisor

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

// firstListener is the first descriptor that is passed: behind stdin, stdout and
// stderr (SD_LISTEN_FDS_START).
const firstListener = 3

// maxListeners: more are a mistake.
const maxListeners = 64

// Listeners are the sockets that the service manager has bound for this process.
// It goes on listening while the hub restarts: who connects meanwhile waits.
func Listeners(getenv func(string) string) ([]net.Listener, error) {
	if getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > maxListeners {
		return nil, fmt.Errorf("LISTEN_FDS=%q is no number of sockets", getenv("LISTEN_FDS"))
	}
	return listeners(firstListener, n)
}

func listeners(first, n int) (ls []net.Listener, err error) {
	for fd := first; fd < first+n; fd++ {
		f := os.NewFile(uintptr(fd), "listener "+strconv.Itoa(fd))
		l, err := net.FileListener(f) // a copy, closed on exec
		_ = f.Close()
		if err != nil {
			for _, l := range ls {
				_ = l.Close()
			}
			return nil, fmt.Errorf("descriptor %d of the service manager is no listening socket: %w", fd, err)
		}
		ls = append(ls, l)
	}
	return ls, nil
}
