// Package port gives tests a port before a server has it, for servers that cannot be
// asked which they have taken, and for those that end and come back on the same one.
package port

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"testing"
)

// Free is a port of loopback that is the test's alone until it ends. One that the
// kernel has chosen and that was closed again is not: it gives it to the next who asks
// for any, or to a connection, while packages' tests run beside each other. So it is
// none of those that the kernel chooses from, and a socket by its name, which all tests
// of this machine respect, keeps it.
func Free(t testing.TB) int {
	t.Helper()
	least, most := least, unchosen()
	for range 1000 {
		n := least + rand.IntN(most-least)
		if runtime.GOOS == "linux" { // elsewhere such a name is a file
			mark, err := net.Listen("unix", fmt.Sprintf("@topicd-test-port-%d", n))
			if err != nil {
				continue
			}
			t.Cleanup(func() { _ = mark.Close() })
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", n)); err == nil {
			_ = l.Close()
			return n
		}
	}
	t.Fatalf("no port from %d to %d is free", least, most)
	return 0
}

// Addr is Free with the address before it.
func Addr(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", Free(t))
}

const least = 10_000

// unchosen is where the ports begin that the kernel chooses from.
func unchosen() int {
	begin := 32768
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(text), &begin)
	}
	if begin < 2*least { // too few are left: take the chance
		return 65535
	}
	return begin
}
