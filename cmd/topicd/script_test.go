package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"topicd/cmd/internal/command"
	"topicd/node"
)

// The scripts in testdata/script read like a terminal session:
//
//	> pub greenhouse/1/temp 21.5     a command
//	~ list clients                   one that is repeated until it prints that: a hub
//	                                 forgets the command before it in its own time
//	< 21.7                           a line of its standard input
//	{"topic":"a","seq":1,*}          a line of its output; * stands for anything
//	? no topic                       its errors contain that
//	! 1                              its exit code, when it is not 0
//
// HUB stands for the URL of a hub that is started for each script, TOPICS for
// an SCD-TopicServer's list of topics, WINDOWS for lines as Windows writes them,
// PRETTY for JSON of several lines.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			hub := serveInside(t)
			topics, err := filepath.Abs("testdata/topics-scd")
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			for _, s := range parseScript(string(text)) {
				s.run(t, hub, topics)
			}
		})
	}
}

const pretty = "{\n  \"u\": \"Cel\",\n  \"v\": 21.5\n}\n"

// step is one command of a script.
type step struct {
	line     int
	args     []string
	in       string
	out, err []string
	code     int
	patient  bool
}

func parseScript(text string) []step {
	var steps []step
	for i, l := range strings.Split(text, "\n") {
		mark, rest, _ := strings.Cut(l, " ")
		n := len(steps) - 1
		switch {
		case mark == ">" || mark == "~":
			steps = append(steps, step{line: i + 1, args: fields(rest), patient: mark == "~"})
		case n < 0 || l == "" || mark == "#":
		case mark == "<":
			steps[n].in += rest + "\n"
		case mark == "?":
			steps[n].err = append(steps[n].err, rest)
		case mark == "!":
			steps[n].code, _ = strconv.Atoi(rest)
		default:
			steps[n].out = append(steps[n].out, l)
		}
	}
	return steps
}

// fields splits a line as a shell does, with single quotes.
func fields(l string) []string {
	var out []string
	for i, part := range strings.Split(l, "'") {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

func (s step) run(t *testing.T, hub, topics string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for i := range s.args {
		s.args[i] = strings.NewReplacer("HUB", hub, "TOPICS", topics, "WINDOWS", filepath.Join(filepath.Dir(topics), "windows.txt"), "PRETTY", pretty).Replace(s.args[i])
	}
	wrong := s.try(ctx, hub)
	for s.patient && wrong != nil && ctx.Err() == nil {
		wrong = s.try(ctx, hub)
	}
	for _, w := range wrong {
		t.Errorf("line %d: topicd %q %s", s.line, s.args, w)
	}
}

// try runs the command once and tells what is not as it should be.
func (s step) try(ctx context.Context, hub string) (wrong []string) {
	var out, errs bytes.Buffer
	a := &app{Env: command.Env{In: strings.NewReader(s.in), Out: &out, Err: &errs, Getenv: func(k string) string {
		return map[string]string{"TOPICD_HUB": hub, "HOME": "/nowhere"}[k]
	}}}
	code := a.run(ctx, s.args)
	if code != s.code {
		wrong = append(wrong, fmt.Sprintf("ended with %d, not %d: %s", code, s.code, errs.String()))
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if out.Len() == 0 {
		lines = nil
	}
	ok := len(lines) == len(s.out)
	for i := 0; ok && i < len(lines); i++ {
		ok = glob(s.out[i], lines[i])
	}
	if !ok {
		wrong = append(wrong, fmt.Sprintf("printed\n%s\nnot\n%s", out.String(), strings.Join(s.out, "\n")))
	}
	for _, want := range s.err {
		if !strings.Contains(errs.String(), want) {
			wrong = append(wrong, fmt.Sprintf("said %q, not %q", errs.String(), want))
		}
	}
	if len(s.err) == 0 && errs.Len() > 0 {
		wrong = append(wrong, fmt.Sprintf("said %q", errs.String()))
	}
	return wrong
}

// glob matches with * for anything.
func glob(pattern, s string) bool {
	escape := strings.NewReplacer(`\`, `\\`, "[", `\[`, "?", `\?`, "/", "\x01")
	ok, err := path.Match(escape.Replace(pattern), strings.ReplaceAll(s, "/", "\x01"))
	return ok && err == nil
}

// serveInside runs `topicd serve` in this process and returns its URL.
func serveInside(t *testing.T, flags ...string) string {
	t.Helper()
	url, _ := serveUntil(t, flags...)
	return url
}

// serveUntil is serveInside with a way to end it before the test ends.
func serveUntil(t *testing.T, flags ...string) (url string, stop func()) {
	t.Helper()
	return serveClocked(t, nil, flags...)
}

// serveClocked is serveUntil with a clock that the test sets.
func serveClocked(t *testing.T, clock node.Clock, flags ...string) (url string, stop func()) {
	t.Helper()
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	a := &app{Env: command.Env{In: strings.NewReader(""), Out: w, Err: io.Discard, Getenv: func(string) string { return "" }}, clock: clock}
	done := make(chan int, 1)
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--mdns=off", "--sense=off", "--state", t.TempDir()}, flags...)
	go func() { done <- a.run(ctx, args) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("serve ended with %d", code)
		}
	})
	t.Cleanup(stop)
	return bannerURL(t, r), stop
}

// bannerURL waits for the URL in what serve prints.
func bannerURL(t *testing.T, r io.Reader) string {
	t.Helper()
	url := make(chan string, 1)
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			if l := strings.TrimSpace(s.Text()); strings.HasPrefix(l, "ws://") || strings.HasPrefix(l, "wss://") {
				select {
				case url <- l:
				default:
				}
			}
		}
		close(url)
	}()
	select {
	case u := <-url:
		if u == "" {
			t.Fatal("serve ended")
		}
		return u
	case <-time.After(60 * time.Second):
		t.Fatal("serve did not say where it is")
		return ""
	}
}
