package state

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"topicd/node"
)

func load(t *testing.T, k *Topics) {
	t.Helper()
	if err := k.Load(); err != nil {
		t.Error(err)
	}
}

// newTestTopics keeps the topics of a hub of its own.
func newTestTopics(t *testing.T, file string, log *strings.Builder) *Topics {
	t.Helper()
	h := node.New(node.Options{Topics: 100})
	t.Cleanup(h.Close)
	return &Topics{Hub: h, File: file, Log: slog.New(slog.NewTextHandler(log, nil)), Skip: func(topic string) bool { return topic == "conf" }}
}

// A file that cannot be read is set aside, with a line in the log; what it holds
// that cannot be is left out.
func TestTopicsDamage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "topics.json")
	for _, text := range []string{"", "[", "nonsense", `{"topic":"a"}`, `[{"topic":7}]`, "[{\"topic\":\"a\"}\n", "\x00\x00\x00"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		k := newTestTopics(t, file, &log)
		load(t, k)
		if n := len(k.Hub.Statics()); n != 0 {
			t.Errorf("%q: %d topics", text, n)
		}
		if !strings.Contains(log.String(), "set aside") {
			t.Errorf("%q: the log says %q", text, log.String())
		}
		if b, err := os.ReadFile(file + ".damaged"); err != nil || string(b) != text {
			t.Errorf("%q is kept as %q, %v", text, b, err)
		}
		k.Save()
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%q: a file of no topics", text)
		}
	}
	var log strings.Builder
	k := newTestTopics(t, file, &log)
	if err := os.WriteFile(file, []byte(`[{"topic":"a"},{"topic":"a/../b"},{"topic":"conf","cap":5},{"topic":"b","cap":-1,"stale":-1}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	load(t, k)
	k.Save()
	if b, _ := os.ReadFile(file); string(b) != "[\n{\"topic\":\"a\"},\n{\"topic\":\"b\"}\n]\n" {
		t.Errorf("it holds %s", b)
	}
	if !strings.Contains(log.String(), "a/../b") {
		t.Errorf("the log says %q", log.String())
	}
}

// Topics that a smaller hub has no room for stay in the file for a larger one.
func TestTopicsNoRoom(t *testing.T) {
	file := filepath.Join(t.TempDir(), "topics.json")
	const all = "[\n{\"topic\":\"a\"},\n{\"topic\":\"b\",\"cap\":5000},\n{\"topic\":\"c\"}\n]\n"
	if err := os.WriteFile(file, []byte(all), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	k := newTestTopics(t, file, &log)
	k.Hub = node.New(node.Options{Topics: 1})
	defer k.Hub.Close()
	load(t, k)
	k.Save()
	if b, _ := os.ReadFile(file); string(b) != all {
		t.Errorf("it holds %s", b)
	}
	if err := k.Hub.Delete([]byte("a"), nil, k.Hub.Turn()); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Hub.Make([]byte("b"), node.MakeOptions{Static: true, Cap: 6000}); err != nil {
		t.Fatal(err)
	}
	k.Save()
	if b, _ := os.ReadFile(file); string(b) != "[\n{\"topic\":\"b\",\"cap\":6000},\n{\"topic\":\"c\"}\n]\n" {
		t.Errorf("it holds %s", b)
	}
	if err := k.Hub.Delete([]byte("b"), nil, k.Hub.Turn()); err != nil {
		t.Fatal(err)
	}
	k.Save()
	if b, _ := os.ReadFile(file); string(b) != "[\n{\"topic\":\"c\"}\n]\n" {
		t.Errorf("it holds %s", b)
	}
}

// A disk that takes nothing is told of once, and again when it does.
func TestTopicsDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	var log strings.Builder
	k := newTestTopics(t, filepath.Join(dir, "topics.json"), &log)
	load(t, k)
	k.Save()
	if log.Len() > 0 {
		t.Errorf("with nothing to keep the log says %s", log.String())
	}
	if _, err := k.Hub.Make([]byte("a"), node.MakeOptions{Static: true}); err != nil {
		t.Fatal(err)
	}
	k.Save()
	k.Save()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	k.Save()
	k.Save()
	if l := log.String(); strings.Count(l, "\n") != 2 || !strings.Contains(l, "cannot be kept") || !strings.Contains(l, "kept again") {
		t.Errorf("the log says %s", l)
	}
}
