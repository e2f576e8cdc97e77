package bench

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is the hub's, seen through /proc. The zero value is none.
type process struct{ pid int }

// serverProcess finds the process that holds the other end of a connection; a
// pid other than 0 is taken as it is. The end itself is looked for, not a
// listener on the port: that is right where several processes share a port,
// and finds nothing when the hub is elsewhere.
func serverProcess(local, remote net.Addr, pid int) process {
	if pid == 0 {
		l, ok1 := addrPort(local)
		r, ok2 := addrPort(remote)
		if inode := socketOf(r, l); ok1 && ok2 && inode != "" {
			pid = holderOf(inode)
		}
	}
	return process{pid}
}

func addrPort(a net.Addr) (netip.AddrPort, bool) {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, false
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), true
}

// socketOf is the inode of the socket that is bound to at and connected to peer.
func socketOf(at, peer netip.AddrPort) string {
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			if x := strings.Fields(s.Text()); len(x) > 9 && parseAddr(x[1]) == at && parseAddr(x[2]) == peer {
				f.Close()
				return x[9]
			}
		}
		f.Close()
	}
	return ""
}

// parseAddr reads 0100007F:1F90: words of network order, written as this
// machine reads them.
func parseAddr(s string) netip.AddrPort {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	p, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(b)%4 != 0 {
		return netip.AddrPort{}
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(p))
}

// holderOf is the process with the socket among its files, 0 when none may be
// seen.
func holderOf(inode string) int {
	want := "socket:[" + inode + "]"
	dirs, _ := filepath.Glob("/proc/[0-9]*/fd")
	for _, dir := range dirs {
		fds, err := os.ReadDir(dir)
		if err != nil {
			continue // another user's
		}
		for _, fd := range fds {
			if to, _ := os.Readlink(filepath.Join(dir, fd.Name())); to == want {
				pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
				return pid
			}
		}
	}
	return 0
}

// ticks are the kernel's for user space: 100 a second on all of Go's ports.
const ticks = 100

func (p process) usage() (u usage) {
	if p.pid == 0 {
		return u
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	i := bytes.LastIndexByte(b, ')') // a name may hold anything
	if err != nil || i < 0 {
		return u
	}
	x := strings.Fields(string(b[i+1:])) // from field 3 of proc(5) on
	if len(x) < 22 {
		return u
	}
	user, _ := strconv.ParseInt(x[11], 10, 64)
	system, _ := strconv.ParseInt(x[12], 10, 64)
	pages, _ := strconv.ParseInt(x[21], 10, 64)
	return usage{ok: true, cpu: float64(user+system) / ticks, rss: pages * int64(os.Getpagesize())}
}

// name is the process's command.
func (p process) name() string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.pid))
	return strings.TrimSpace(string(b))
}
