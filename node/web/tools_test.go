package web

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

const modules = "testdata/js/node_modules/"

// need skips a test whose tool is not there, and fails it in CI.
func need(t *testing.T, file, how string) {
	t.Helper()
	if _, err := os.Stat(file); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("this test needs %s", how)
	}
	t.Skipf("needs %s", how)
}

func needNode(t *testing.T, module string) {
	t.Helper()
	need(t, "/usr/bin/node", "Node.js with npm")
	need(t, modules+module, "npm's "+module+": npm ci in node/web/testdata/js")
}

// processes skips what runs other programs where that is not wanted.
func processes(t *testing.T) {
	t.Helper()
	if testing.Short() || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" || runtime.GOOS != "linux" {
		t.Skip("runs other programs: not with -short, not on 32 bit")
	}
}

// tool runs a program to its end and returns what it wrote.
func tool(t *testing.T, in string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(in)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	timer := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out.String())
	}
	return out.String()
}
