package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"topicd/cmd/internal/command"
	"topicd/node/client"
)

// command runs the program inside the test.
func (h *hubProcess) command(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e strings.Builder
	env := map[string]string{"TOPICD_HUB": h.url}
	a := &app{Env: command.Env{In: strings.NewReader(""), Out: &o, Err: &e, Getenv: func(k string) string { return env[k] }}}
	code = a.run(t.Context(), args)
	return code, o.String(), e.String()
}

// A running hub is backed up, told about and its store checked; what was backed up is
// restored into a new directory and goes on there.
func TestBackupAndRestore(t *testing.T) {
	processes(t)
	dir := t.TempDir()
	h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", dir, "--durable", "plant/#", "--store-sync", "0")
	publishAll(t, h.url, "plant/a", 1, 100)
	r := subscribeAs(t, h.url, "plant/#", client.SubOptions{Name: "db1", Last: 1})
	r.next(1)
	file := filepath.Join(t.TempDir(), "store.tar")
	if code, _, errs := h.command(t, "backup", file, "--state", dir); code != 0 {
		t.Fatalf("backup: %d, %s", code, errs)
	}
	if code, _, errs := h.command(t, "backup", file, "--token", "not-the-admin-token"); code != command.Forbidden || !strings.Contains(errs, "admin") {
		t.Errorf("a backup without the admin's token: %d, %s", code, errs)
	}
	if code, _, errs := h.command(t, "restore", file, "--state", dir); code != command.Failed || !strings.Contains(errs, "another topicd") {
		t.Errorf("restore under a running hub: %d, %s", code, errs)
	}
	code, out, errs := h.command(t, "status", "--state", dir)
	if code != 0 || strings.Count(out, "\n") > 10 || !strings.Contains(out, "1 durable topics, 1 durable subscriptions") {
		t.Errorf("status: %d, %s%s", code, out, errs)
	}
	if code, out, _ := h.command(t, "log", "--state", dir, "plant/+"); code != 0 || !strings.Contains(out, "1 topics, 100 readings") || !strings.Contains(out, "db1") {
		t.Errorf("log: %d, %s", code, out)
	}
	if code, out, _ := h.command(t, "log", "--verify", "--json", "--state", dir); code != 0 || strings.Count(out, "\n") != 1 || !strings.Contains(out, `"kind":"store"`) {
		t.Errorf("log --verify --json: %d, %s", code, out)
	}
	h.kill(t)

	other := t.TempDir()
	if code, _, errs := h.command(t, "restore", file, "--state", other); code != 0 {
		t.Fatalf("restore: %d, %s", code, errs)
	}
	if code, _, errs := h.command(t, "restore", file, "--state", other); code != command.Failed || !strings.Contains(errs, "already") {
		t.Errorf("a second restore: %d, %s", code, errs)
	}
	h = serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", other, "--durable", "plant/#")
	c, err := client.Dial(t.Context(), client.Options{URL: h.url})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n := uint64(0)
	err = c.Get(t.Context(), "plant/a", client.GetOptions{Last: 1000}, func(m client.Message) error {
		if n++; m.Seq != n || string(m.JSON()) != fmt.Sprint(n) || m.From != "pump" {
			t.Errorf("reading %d is %d %s of %s", n, m.Seq, m.JSON(), m.From)
		}
		return nil
	})
	if err != nil || n != 100 {
		t.Errorf("%d readings are back: %v", n, err)
	}
	_ = c.Topics(t.Context(), "plant/a", func(i client.TopicInfo) error {
		if i.Seq != 100 || time.Since(time.UnixMilli(i.TS)) > time.Minute {
			t.Errorf("the list says %+v", i)
		}
		return nil
	})
}

// log says where a store is damaged, with its exit code too; a truncated backup and a
// file that is none are not restored.
func TestDamageIsTold(t *testing.T) {
	processes(t)
	dir := t.TempDir()
	h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", dir, "--durable", "plant/#", "--store-sync", "0")
	publishAll(t, h.url, "plant/a", 1, 50)
	file := filepath.Join(t.TempDir(), "store.tar")
	if code, _, errs := h.command(t, "backup", file, "--state", dir); code != 0 {
		t.Fatal(code, errs)
	}
	h.kill(t)
	seg, err := filepath.Glob(filepath.Join(dir, "store", "*.seg"))
	if err != nil || len(seg) == 0 {
		t.Fatal(seg, err)
	}
	b, err := os.ReadFile(seg[0])
	if err != nil {
		t.Fatal(err)
	}
	b[600] ^= 0x10
	if err := os.WriteFile(seg[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := h.command(t, "log", "--state", dir, "--verify", "--json")
	if code != command.Failed || !strings.Contains(out, `"kind":"damage"`) || !strings.Contains(errs, "cannot be read") {
		t.Errorf("a damaged store: %d, %s%s", code, out, errs)
	}
	if code, _, errs := h.command(t, "log", "--state", t.TempDir()); code != command.Failed || !strings.Contains(errs, "no durable topics") {
		t.Errorf("no store: %d, %s", code, errs)
	}
	all, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{all[:700], []byte("no tar"), nil} {
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		to := t.TempDir()
		if code, _, errs := h.command(t, "restore", file, "--state", to); code == 0 {
			t.Errorf("%d bytes of a backup are restored: %s", len(bad), errs)
		}
		if left, _ := filepath.Glob(filepath.Join(to, "store", "*.seg")); len(left) > 0 {
			t.Errorf("%q is left", left)
		}
	}
	h = serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", dir, "--durable", "plant/#")
	res, err := http.Get("http://" + h.addr + "/api/status")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var s struct{ Store struct{ Damaged int } }
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil || s.Store.Damaged != 1 {
		t.Errorf("the status says %+v, %v", s, err)
	}
	if code, out, _ := h.command(t, "log", "--state", dir, "--verify"); code != 0 {
		t.Errorf("after a start it is mended, %s", out)
	}
}
