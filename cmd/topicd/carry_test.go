package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What the hub held when it was asked to end is there when it starts again, once: values
// with their ts, numbers and epochs, and the history that their readings left.
func TestKeepOnExit(t *testing.T) {
	processes(t)
	dir := t.TempDir()
	bin := binary(t, "amd64")
	get := func(h *hubProcess, path string) string {
		t.Helper()
		r, err := http.Get("http://" + h.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	start := func(flags ...string) *hubProcess {
		return serveProcess(t, nil, bin, append([]string{"--state", dir, "--sense=off", "--durable", "disk/#"}, flags...)...)
	}
	end := func(h *hubProcess) {
		t.Helper()
		if code, took := h.stop(t); code != 0 {
			t.Fatalf("exit code %d after %v: %s", code, took, h.errs.String())
		}
	}
	h := start("--topic-cap=4KiB")
	var batch strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&batch, `{"topic":"dynamic/a","data":{"u":"Cel","v":%d}}`+"\n", i)
	}
	batch.WriteString(`{"topic":"dynamic/text","data":"hello"}` + "\n" + `{"topic":"disk/a","data":1}` + "\n" + `{"topic":"disk/a","data":2}` + "\n")
	r, err := http.Post("http://"+h.addr+"/api/pub", "application/x-ndjson", strings.NewReader(batch.String()))
	if err != nil || r.StatusCode != 200 {
		t.Fatal(r, err)
	}
	r.Body.Close()
	paths := []string{"/api/topics/dynamic/a", "/api/topics/dynamic/text", "/api/topics/disk/a?last=9"}
	var was []string
	for _, p := range paths {
		was = append(was, get(h, p))
	}
	history := func(h *hubProcess) (n, least, most float64) {
		t.Helper()
		var v struct{ Buckets [][]float64 }
		if err := json.Unmarshal([]byte(get(h, "/api/topics/dynamic/a?step=1m")), &v); err != nil {
			t.Fatal(err)
		}
		for i, b := range v.Buckets {
			if n += b[4]; i == 0 || b[1] < least {
				least = b[1]
			}
			most = max(most, b[3])
		}
		return n, least, most
	}
	if n, least, most := history(h); n != 2000 || least != 0 || most != 1999 {
		t.Fatalf("%v readings, %v to %v, are counted", n, least, most)
	}
	file := filepath.Join(dir, "carried")
	for round := range 2 {
		end(h)
		if i, err := os.Stat(file); err != nil || i.Mode().Perm() != 0o600 || i.Size() > 1000 {
			t.Fatalf("%v, %v", i, err)
		}
		h = start("--topic-cap=4KiB")
		if _, err := os.Stat(file); err == nil {
			t.Error("the file is there still: a crash would have it taken twice")
		}
		for i, p := range paths {
			if is := get(h, p); is != was[i] {
				t.Errorf("round %d: %s is\n%s, was\n%s", round, p, is, was[i])
			}
		}
		if n, least, most := history(h); n != 2000 || least != 0 || most != 1999 {
			t.Errorf("round %d: %v readings, %v to %v, are counted", round, n, least, most)
		}
	}
	h.kill(t)
	h = start()
	if got := get(h, paths[0]); !strings.Contains(got, `"code":404`) || get(h, paths[2]) != was[2] {
		t.Errorf("behind a crash: %s, %s", got, get(h, paths[2]))
	}
	end(h)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string][]byte{"half": good[:len(good)/2], "of another version": bytes.Replace(good, []byte("carry 1"), []byte("carry 2"), 1), "empty": nil} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		h = start()
		if b, err := os.ReadFile(file + ".damaged"); err != nil || !bytes.Equal(b, text) {
			t.Errorf("%s: it is not set aside: %v", what, err)
		}
		end(h) // only now all of its log is there
		if n := strings.Count(h.errs.String(), "level=ERROR"); n != 1 || !strings.Contains(h.errs.String(), "the hub begins without the newest readings and minutes of the last run") {
			t.Errorf("%s: the log has %s", what, h.errs.String())
		}
	}
	h = start("--keep-on-exit=off")
	end(h)
	if _, err := os.Stat(file); err == nil {
		t.Error("it is kept though nobody wants it")
	}
}
