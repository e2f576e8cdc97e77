package web

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"topicd/node"
	"topicd/node/store"
)

// The recipes in http.md do what they say: each is run as it stands there.
func TestCurlRecipes(t *testing.T) {
	processes(t)
	need(t, "/usr/bin/curl", "curl: apt-get install curl")
	page, err := os.ReadFile("../../firmware-notes/http.md")
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, node.Options{}, Config{})
	dir := t.TempDir()
	lines := `{"topic":"greenhouse/1/temp","data":22}` + "\n" + `{"topic":"greenhouse/1/hum","data":41}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "readings.ndjson"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{ // in their order: what is in the answer
		`{"topic":"greenhouse/1/temp","seq":1}`,
		`{"topic":"greenhouse/1/temp","seq":2}`,
		`{"published":2,"topics":["greenhouse/1/hum","greenhouse/1/temp"]}`,
		`{"published":2,"topics":["greenhouse/2/hum","greenhouse/2/temp"]}`,
		`"data":{"n":"hum","u":"%RH","v":40}`,
		`"data":{"u":"Cel","v":21.5}},{"seq":3,`,
		`"topic":"greenhouse/2/temp","seq":1,`,
		``,
		`"static":true`,
		`{"topic":"greenhouse/2/hum"}`,
		`topicd_readings_published_total 6`,
		`{"status":"ready"}`,
	}
	for _, recipe := range regexp.MustCompile(`(?m)^    (curl .*)$`).FindAllStringSubmatch(string(page), -1) {
		line := strings.ReplaceAll(recipe[1], "localhost:22345", h.url[len("http://"):])
		line = "exec curl -sSf --max-time 120 " + line[len("curl "):]
		out, err := untilSaid(exec.Command("sh", "-c", line), dir, strings.Contains(line, " -N "), want)
		if err != nil {
			t.Fatalf("%s: %v\n%s", recipe[1], err, out)
		}
		if len(want) == 0 || !strings.Contains(out, want[0]) {
			t.Fatalf("%s\n got %s\nwant %v", recipe[1], out, want)
		}
		want = want[1:]
	}
	if len(want) > 0 {
		t.Errorf("no recipe for %v", want)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "readings.csv")); strings.Count(string(b), "\n") != 7 {
		t.Errorf("%s", b)
	}
}

// untilSaid runs a command to its end, or, where it has none, until it has said the first
// of want.
func untilSaid(cmd *exec.Cmd, dir string, endless bool, want []string) (string, error) {
	var errs, said strings.Builder
	cmd.Dir, cmd.Stderr = dir, &errs
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if endless && len(want) > 0 && strings.Contains(said.String(), want[0]) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			return said.String(), nil
		}
	}
	err = cmd.Wait()
	return said.String() + errs.String(), err
}

// Every metric is on the page, and no other.
func TestMetricsPage(t *testing.T) {
	page, err := os.ReadFile("../../firmware-notes/http.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, name := range regexp.MustCompile(`topicd_[a-z_]+`).FindAllString(string(page), -1) {
		told[name] = true
	}
	delete(told, "topicd_uplink_") // their names are on pages of their own
	delete(told, "topicd_center_")
	st, err := store.Open(store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	h := start(t, node.Options{}, Config{Store: st})
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+)`).FindAllStringSubmatch(h.do("GET", "/metrics", "").body, -1) {
		if !told[m[1]] {
			t.Errorf("http.md does not have %s", m[1])
		}
		delete(told, m[1])
	}
	if len(told) > 0 {
		t.Errorf("http.md has %v", told)
	}
}
