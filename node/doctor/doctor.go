// Package doctor looks at the machine that a hub runs on: whether its ports, disk,
// memory, files and clock are what the hub's settings promise. It says what it found
// and what to do.
package doctor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"topicd/node/client/show"
)

// Finding is what there is to say of one thing.
type Finding struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
	Do   string `json:"do,omitempty"` // what to do
}

// Report is what was found so far.
type Report struct{ Found []Finding }

// OK notes that a thing is as it should be.
func (r *Report) OK(what, format string, args ...any) {
	r.Found = append(r.Found, Finding{What: what, OK: true, Text: fmt.Sprintf(format, args...)})
}

// Bad notes that it is not, and what to do.
func (r *Report) Bad(what, do, format string, args ...any) {
	r.Found = append(r.Found, Finding{What: what, Text: fmt.Sprintf(format, args...), Do: do})
}

// Port tells whether addr can be served. p is the hub that runs.
func (r *Report) Port(p *Process, addr string) {
	l, err := net.Listen("tcp", addr)
	switch {
	case err == nil:
		l.Close()
		if p != nil {
			r.Bad("port", "a change of the configuration wants a restart", "the hub runs, but does not serve on %s", addr)
		} else {
			r.OK("port", "%s is free", addr)
		}
	case errors.Is(err, syscall.EADDRINUSE) && p != nil && p.listens(addr):
		r.OK("port", "%s is taken, by the hub that runs as process %d", addr, p.pid)
	case errors.Is(err, syscall.EADDRINUSE):
		r.Bad("port", "`ss -ltnp` shows by whom; choose another with --listen", "%s is taken by another program", addr)
	default:
		r.Bad("port", "choose another with --listen; below 1024 CAP_NET_BIND_SERVICE is needed", "%v", err)
	}
}

// Clock tells whether somebody keeps it: a board without a battery boots in 1970.
func (r *Report) Clock() {
	now := time.Now()
	switch {
	case now.Year() < 2025:
		r.Bad("clock", "have it kept by the network: `timedatectl set-ntp true`; readings get times of 1970 until then", "it says %s", now.Format(time.DateTime))
	case !synchronized():
		r.Bad("clock", "`timedatectl set-ntp true`, or chrony", "nobody keeps it: %s drifts", now.Format(time.DateTime))
	default:
		r.OK("clock", "%s, kept by the network", now.Format(time.DateTime))
	}
}

// Disk tells whether want bytes are left where dir is, or is to be.
func (r *Report) Disk(dir string, want int64) {
	for dir != "/" && dir != "." {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	free, err := freeBytes(dir)
	switch {
	case err != nil:
		r.Bad("disk", "", "%s: %v", dir, err)
	case free < want:
		r.Bad("disk", "make room, or set [store] bytes lower", "%s has %s left, the settings may want %s", dir, show.Bytes(free), show.Bytes(want))
	default:
		r.OK("disk", "%s has %s left, the settings may want %s", dir, show.Bytes(free), show.Bytes(want))
	}
}

// Memory tells whether the hub may take worst bytes. allow are the MiB that its
// service is to be granted.
func (r *Report) Memory(p *Process, worst, allow int64) {
	most, where := p.memoryMax()
	there := KB("/proc/meminfo", "MemAvailable:") << 10
	switch {
	case most > 0 && most < worst:
		r.Bad("memory", fmt.Sprintf("MemoryMax=%dM in `systemctl edit topicd`, or lower limits (`topicd config show`)", allow), "the settings may take %s, %s allows %s", show.Bytes(worst), where, show.Bytes(most))
	case there > 0 && there+p.resident() < worst:
		r.Bad("memory", "lower --memory or [limits]; `topicd config show` says what they come to", "the settings may take %s, the machine has %s left", show.Bytes(worst), show.Bytes(there))
	default:
		r.OK("memory", "the settings may take %s, the machine has %s left", show.Bytes(worst), show.Bytes(there+p.resident()))
	}
}

// Files tells whether so many connections may be open: each is a file, and the store
// has some.
func (r *Report) Files(p *Process, connections int) {
	want := int64(connections) + 64 + 64
	have := p.files()
	if have < want {
		r.Bad("files", "LimitNOFILE="+strconv.FormatInt(want, 10)+" in the unit, or `ulimit -n`", "%d may be open, %d connections want %d", have, connections, want)
		return
	}
	r.OK("files", "%d may be open, %d connections want %d", have, connections, want)
}
