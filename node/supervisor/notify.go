// Package supervisor is what the hub and the system's service manager say to each
// other: the hub tells when it serves, how it is and when it stops, is restarted
// when no reading gets through any more, and is given sockets that the manager has
// bound, so that a restart refuses nobody. It is systemd's protocol (sd_notify(3),
// sd_listen_fds(3)), without its library; nothing happens where nobody asks for it.
// It also writes what a manager has to be told to start the hub at boot.
package supervisor

import (
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Notifier tells the service manager how the hub is. A nil Notifier tells nobody.
type Notifier struct {
	addr     net.UnixAddr
	watchdog time.Duration
}

// New is the Notifier that the environment asks for, nil for none.
func New(getenv func(string) string) *Notifier {
	path := getenv("NOTIFY_SOCKET")
	if path == "" || path[0] != '/' && path[0] != '@' {
		return nil
	}
	n := &Notifier{addr: net.UnixAddr{Name: path, Net: "unixgram"}}
	pid := getenv("WATCHDOG_PID")
	us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err == nil && us > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n.watchdog = time.Duration(us) * time.Microsecond
	}
	return n
}

// What can be told, see sd_notify(3).
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	alive    = "WATCHDOG=1"
	status   = "STATUS="
)

// Tell sends states in one datagram. A manager that does not listen is not waited
// for: it restarts who says nothing.
func (n *Notifier) Tell(states ...string) error {
	if n == nil {
		return nil
	}
	c, err := net.DialUnix(n.addr.Net, nil, &n.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_, err = c.Write([]byte(strings.Join(states, "\n")))
	return err
}

// Status is a state that people read in `systemctl status`.
func Status(text string) string { return status + strings.ReplaceAll(text, "\n", " ") }
