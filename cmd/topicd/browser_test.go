package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const browserDir = "../../node/web/testdata/browser"

// The dashboard in a real Chromium, against the real binary: what is shown and
// plotted, what must stay inert, a hub that goes and comes back, 1,000 topics at
// ten readings a second, phones, keyboard, screen readers, wrong tokens, proxies,
// Back, a clock that is set. Pictures of every
// view go to .build/screens.
//
// CHECK=plot,heals runs only those, and CHECK=cost,paint what is no check: it measures
// what the page takes of a core, and when something of it is seen. WAIT=300 lets the
// demo run for five minutes before the pictures are taken.
func TestDashboard(t *testing.T) {
	processes(t)
	need(t, chromium, "Chromium: apt-get install chromium")
	need(t, "/usr/bin/node", "Node.js with npm")
	need(t, filepath.Join(browserDir, "node_modules/playwright-core"), "npm's playwright-core: npm ci in node/web/testdata/browser")
	screens, err := filepath.Abs("../../.build/screens")
	if err == nil {
		err = os.MkdirAll(screens, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "run.mjs", binary(t, "amd64"), screens, "10")
	cmd.Dir = browserDir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait, _ := strconv.Atoi(os.Getenv("WAIT"))
	timer := time.AfterFunc(14*time.Minute+time.Duration(wait)*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	var name, told string
	n := 0
	report := func() {
		if name == "" {
			return
		}
		n++
		t.Run(name, func(t *testing.T) {
			switch {
			case strings.HasPrefix(told, "not ok "):
				t.Error(told)
			case strings.HasPrefix(told, "skip ") && os.Getenv("CI") != "true":
				t.Skip(told)
			case strings.HasPrefix(told, "skip "):
				t.Fatal(told)
			default:
				t.Log(told)
			}
		})
	}
	for s := bufio.NewScanner(out); s.Scan(); {
		l := s.Text()
		if strings.HasPrefix(l, "\t") { // more of the same
			told += "\n" + l
			continue
		}
		report()
		told = l
		name, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(l, "skip "), "not "), "ok "), " ")
	}
	report()
	if err := cmd.Wait(); err != nil {
		t.Errorf("after %d checks: %v", n, err)
	}
	if n < 30 && os.Getenv("CHECK") == "" {
		t.Errorf("only %d checks were run", n)
	}
}
