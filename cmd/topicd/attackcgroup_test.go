package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// With 32 MiB from the kernel and not a byte more the hub lives through all of it.
func TestAttackInCgroup(t *testing.T) {
	processes(t)
	if os.Getenv("TOPICD_ATTACK") != "full" {
		t.Skip("the same attacks again: make attack")
	}
	group, failures, usage := memoryGroup(t, 32<<20)
	// A shell enters the group and becomes the hub.
	s := newSiege(t, []string{"/bin/sh", "-c", fmt.Sprintf(`echo $$ > %s/cgroup.procs && exec "$0" "$@"`, group)})
	s.besiege(t, attacks)
	if used := strings.TrimSpace(usage()); used == "" || used == "0" {
		t.Skip("the kernel makes the group, but counts nothing in it: the limit was not in force")
	}
	t.Logf("the kernel had to make room %s times", strings.TrimSpace(failures()))
}

// memoryGroup makes a cgroup with a limit of memory, of either version.
func memoryGroup(t *testing.T, limit int) (dir string, failures, usage func() string) {
	t.Helper()
	read := func(file string) string {
		b, _ := os.ReadFile(file)
		return string(b)
	}
	for _, v := range []struct{ root, limit, failures, usage string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.failcnt", "memory.max_usage_in_bytes"},
		{"/sys/fs/cgroup", "memory.max", "memory.events", "memory.peak"},
	} {
		dir := filepath.Join(v.root, fmt.Sprintf("topicd-test-%d", os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(dir) })
		if os.WriteFile(filepath.Join(dir, v.limit), fmt.Append(nil, limit), 0o644) == nil {
			return dir, func() string { return read(filepath.Join(dir, v.failures)) }, func() string { return read(filepath.Join(dir, v.usage)) }
		}
	}
	t.Skip("the kernel lets us make no cgroup with a limit of memory")
	return "", nil, nil
}
