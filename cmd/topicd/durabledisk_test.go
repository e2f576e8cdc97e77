package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"topicd/cmd/internal/command"
	"topicd/node/client"
)

// smallDisk mounts a tmpfs of that many bytes.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounts a tmpfs: needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", size)); errors.Is(err, syscall.EPERM) {
		t.Skip("may not mount here")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// askFor sends a request and returns the answer with its id; what comes before it goes
// to msgs.
func askFor(t *testing.T, ws *websocket.Conn, id int, request string, msgs func(string)) string {
	t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(request)); err != nil {
		t.Fatal(err)
	}
	for {
		text := nextText(t, ws)
		if strings.Contains(text, `"op":"live"`) {
			continue
		}
		if strings.Contains(text, fmt.Sprintf(`"id":%d,`, id)) || strings.Contains(text, fmt.Sprintf(`"id":%d}`, id)) {
			return text
		}
		msgs(text)
	}
}

// A full disk: live readings go on, who waits for ok is told 507 and when to try
// again, other topics work, /readyz says why; with room again it writes by itself.
func TestFullDisk(t *testing.T) {
	processes(t)
	disk := smallDisk(t, 4<<20)
	h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", disk, "--durable", "plant/#", "--store-bytes", "16MiB", "--store-sync", "20ms")
	pub, sub := rawDial(t, h.url), rawDial(t, h.url)
	nothing := func(string) {}
	wants(t, askFor(t, sub, 1, `{"op":"sub","id":1,"topic":"plant/#","opts":{"last":0}}`, nothing), `"ok"`)
	body := strings.Repeat("x", 8000)
	var refused string
	n, acked := 0, 0
	for n < 2000 && refused == "" {
		n++
		a := askFor(t, pub, n, fmt.Sprintf(`{"op":"pub","id":%d,"topic":"plant/a","data":"%d %s"}`, n, n, body), nothing)
		if strings.Contains(a, `"op":"ok"`) {
			acked = n
		} else {
			refused = a
		}
	}
	var e struct{ Err struct{ Code, Retry int } }
	if err := json.Unmarshal([]byte(refused), &e); err != nil || e.Err.Code != 507 || e.Err.Retry <= 0 || e.Err.Retry > 10_000 {
		t.Fatalf("reading %d is answered %s", n, refused)
	}
	t.Logf("full after %d readings of 8 kB", acked)
	live := 0 // the subscriber gets them all, the refused one too
	for live < n {
		if strings.Contains(nextText(t, sub), `"op":"msg"`) {
			live++
		}
	}
	wants(t, askFor(t, pub, 5001, `{"op":"pub","id":5001,"topic":"plant/b","data":1}`, nothing), `"code":507`)
	wants(t, askFor(t, pub, 5002, `{"op":"pub","id":5002,"topic":"other","data":1}`, nothing), `"ok"`)
	for {
		if m := nextText(t, sub); strings.Contains(m, `plant/b`) {
			break // live all the same
		}
	}
	code, text := get(t, h, "/readyz")
	if code != 503 || !strings.Contains(text, "durable topics") {
		t.Errorf("/readyz is %d: %s", code, text)
	}
	if res, err := http.Post("http://"+h.addr+"/api/pub/plant/a", "application/json", strings.NewReader("1")); err != nil || res.StatusCode != 507 || res.Header.Get("Retry-After") == "" {
		t.Errorf("over HTTP: %v %v", res, err)
	}
	if code, out, errs := h.command(t, "status", "--state", disk); code != command.Failed || !strings.Contains(out, "full") {
		t.Errorf("status: %d, %s%s", code, out, errs)
	}
	if _, text := get(t, h, "/metrics"); !strings.Contains(text, "topicd_store_failed 1") {
		t.Error("the metrics do not say that it fails")
	}

	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for id := 6000; ; id++ {
		if a := askFor(t, pub, id, fmt.Sprintf(`{"op":"pub","id":%d,"topic":"plant/a","data":"again"}`, id), nothing); strings.Contains(a, `"op":"ok"`) {
			break
		} else if time.Since(began) > 30*time.Second {
			t.Fatalf("30 s after there is room: %s", a)
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Logf("it writes again after %v", time.Since(began).Round(time.Millisecond))
	if code, text := get(t, h, "/readyz"); code != 200 {
		t.Errorf("/readyz is %d: %s", code, text)
	}
	h.kill(t)
	h = serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", disk, "--durable", "plant/#")
	c, err := client.Dial(t.Context(), client.Options{URL: h.url})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	held := map[string]bool{}
	_ = c.Get(t.Context(), "plant/a", client.GetOptions{Last: 1 << 30}, func(m client.Message) error {
		var s string
		_ = json.Unmarshal(m.JSON(), &s)
		s, _, _ = strings.Cut(s, " ")
		held[s] = true
		return nil
	})
	for i := 1; i <= acked; i++ {
		if !held[fmt.Sprint(i)] {
			t.Errorf("acknowledged reading %d of %d is lost", i, acked)
			break
		}
	}
}

func get(t *testing.T, h *hubProcess, path string) (int, string) {
	t.Helper()
	res, err := http.Get("http://" + h.addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// refusedStart runs a hub that is to end by itself, perhaps as another user.
func refusedStart(t *testing.T, user uint32, flags ...string) (int, string) {
	t.Helper()
	cmd := exec.Command(binary(t, "amd64"), append([]string{"serve", "--listen", "127.0.0.1:0", "--mdns=off", "--sense=off"}, flags...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if user > 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: user, Gid: user}
	}
	timer := time.AfterFunc(60*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

// A state directory that another hub has, that takes no files, or that is somebody
// else's: a clear word at the start.
func TestStateThatTakesNoReadings(t *testing.T) {
	processes(t)
	dir := t.TempDir()
	durable := []string{"--durable", "plant/#", "--state"}
	serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", dir, "--durable", "plant/#")
	if code, out := refusedStart(t, 0, append(durable, dir)...); code != command.Usage || !strings.Contains(out, "another topicd") || !strings.Contains(out, "hint:") {
		t.Errorf("two hubs on one directory: exit code %d\n%s", code, out)
	}
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	bin, err := os.Stat(binary(t, "amd64"))
	if err != nil || bin.Mode()&1 == 0 {
		t.Fatal(bin.Mode(), err)
	}
	_ = os.Chmod(filepath.Dir(binary(t, "amd64")), 0o755)
	foreign := filepath.Join(os.TempDir(), fmt.Sprint("topicd-foreign-", os.Getpid()))
	if err := os.MkdirAll(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(foreign)
	if code, out := refusedStart(t, nobody, append(durable, foreign)...); code != command.Usage || !strings.Contains(out, "permission denied") || !strings.Contains(out, "hint:") {
		t.Errorf("somebody else's directory: exit code %d\n%s", code, out)
	}
	disk := smallDisk(t, 1<<20)
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if code, out := refusedStart(t, 0, append(durable, disk)...); code != command.Usage || !strings.Contains(out, "read-only file system") || !strings.Contains(out, "hint:") {
		t.Errorf("a directory that is read only: exit code %d\n%s", code, out)
	}
}

// A store is the same on 64 and 32 bit: each writes, the other goes on.
func TestStoreMovesToARM(t *testing.T) {
	processes(t)
	const qemu = "/usr/bin/qemu-arm-static"
	need(t, qemu, "qemu-user-static: apt-get install qemu-user-static")
	dir := t.TempDir()
	n := uint64(0)
	for i, before := range [][]string{nil, {qemu}, nil, {qemu}} {
		bin := binary(t, "amd64")
		if before != nil {
			bin = binary(t, "arm")
		}
		h := serveProcess(t, before, bin, "--sense=off", "--state", dir, "--durable", "plant/#", "--store-sync", "0")
		held := uint64(0)
		c, err := client.Dial(t.Context(), client.Options{URL: h.url})
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			err = c.Get(t.Context(), "plant/a", client.GetOptions{Last: 1 << 20}, func(m client.Message) error {
				if held++; m.Seq != held || string(m.JSON()) != fmt.Sprint(held) {
					t.Errorf("in start %d reading %d is %d %s", i, held, m.Seq, m.JSON())
				}
				return nil
			})
		}
		c.Close()
		if err != nil || held != n {
			t.Fatalf("start %d finds %d of %d readings: %v", i, held, n, err)
		}
		publishAll(t, h.url, "plant/a", int(n)+1, int(n)+50)
		n += 50
		if code, _ := h.stop(t); code != 0 {
			t.Fatalf("exit code %d\n%s", code, h.errs.String())
		}
	}
	rep, err := readStore(filepath.Join(dir, "store"))
	if err != nil || len(rep.Damage) > 0 || rep.Readings != int(n) {
		t.Errorf("%+v, %v", rep, err)
	}
}
