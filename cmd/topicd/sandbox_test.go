package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"topicd/node/front"
	"topicd/node/state"
)

// As under systemd with DynamicUser, ProtectSystem=strict and NoNewPrivileges:
// no root, no capability, and only the state directory can be written to.
func TestSandbox(t *testing.T) {
	processes(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root, to take everything away from the hub")
	}
	need(t, "/usr/bin/setpriv", "setpriv of util-linux")
	bin := binary(t, "amd64")
	for _, dir := range []string{filepath.Dir(bin), bin} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("/var/tmp", "topicd-sandbox") // t.TempDir's parents are its owner's only
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	script := `mount --make-rprivate / && mount --bind / / && mount -o remount,bind,ro / && mount --bind ` + dir + ` ` + dir + ` && mount -o remount,bind,rw ` + dir + ` && ! touch /etc/topicd-sandbox 2>/dev/null && exec "$0" "$@"`
	before := []string{"/usr/bin/unshare", "-m", "/bin/sh", "-c", script, "/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs", "--bounding-set=-all"}
	if out, err := exec.Command(before[0], append(before[1:len(before)-8:len(before)-8], "/bin/true")...).CombinedOutput(); err != nil {
		t.Skipf("no mount namespace here: %v %s", err, out)
	}
	h := serveProcess(t, before, bin, "--state", dir, "--access", "token", "--tls-listen", "127.0.0.1:0")
	run := func(args ...string) string {
		cmd := exec.Command(bin, args...)
		cmd.Env = append(os.Environ(), "TOPICD_HUB="+h.url, "TOPICD_STATE="+dir)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("topicd %v: %v\n%s", args, err, h.errs.String())
		}
		return strings.TrimSpace(string(out))
	}
	token := run("token", "create", "all", "--publish", "#", "--subscribe", "#")
	run("pub", "a/b", "1", "--token", token)
	if got := run("get", "a/b", "--raw", "--token", token); got != "1" {
		t.Error(got)
	}
	for _, name := range []string{state.AdminFile, front.CertFile, front.KeyFile, "tokens.json", "topicd.toml"} {
		if i, err := os.Stat(filepath.Join(dir, name)); err != nil || i.Mode().Perm() != 0o600 {
			t.Error(name, i, err)
		}
	}
	if code, _ := h.stop(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, h.errs.String())
	}
	if strings.Contains(h.errs.String(), "level=ERROR") || strings.Contains(h.errs.String(), "level=WARN") {
		t.Error(h.errs.String())
	}
}
