//go:build unix

package bench

import "syscall"

// ownUsage is this process's CPU.
func ownUsage() (u usage) {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return u
	}
	return usage{ok: true, cpu: float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9}
}
