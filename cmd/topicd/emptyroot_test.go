package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// As in a container FROM scratch: there is the binary, a directory for its state and
// nothing else, no shell and no /etc, and nobody is root. The health check is the
// binary itself.
func TestEmptyRoot(t *testing.T) {
	processes(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root, to change the root directory")
	}
	root, err := os.MkdirTemp("/var/tmp", "topicd-root")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	text, err := os.ReadFile(binary(t, "amd64"))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Chmod(root, 0o755), os.WriteFile(filepath.Join(root, "topicd"), text, 0o755),
		os.Mkdir(filepath.Join(root, "state"), 0o700), os.Chown(filepath.Join(root, "state"), 65532, 65532),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	inside := func(args ...string) *exec.Cmd {
		cmd := exec.Command("/topicd", args...)
		cmd.Dir = "/"
		cmd.Env = []string{"TOPICD_STATE=/state", "TOPICD_MDNS=off"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}, Pdeathsig: syscall.SIGKILL}
		return cmd
	}
	hub := inside("serve", "--listen", "127.0.0.1:0")
	r, w := io.Pipe()
	hub.Stdout, hub.Stderr = w, os.Stderr
	if err := hub.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { hub.Process.Kill(); hub.Wait() }()
	url := bannerURL(t, r)
	if out, err := inside("health", "--hub", url).CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "ready" {
		t.Errorf("%s %v", out, err)
	}
	hub.Process.Signal(syscall.SIGTERM)
	if err := hub.Wait(); err != nil {
		t.Error(err)
	}
	if out, err := inside("health", "--hub", url).CombinedOutput(); err == nil {
		t.Errorf("a hub that has ended is healthy: %s", out)
	}
}
