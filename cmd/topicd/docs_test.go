package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"topicd/cmd/internal/command"

	"github.com/spf13/pflag"
)

const pages = "../../firmware-notes/"

var update = flag.Bool("update", false, "write the tables of settings.md anew")

func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(pages + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every command is on the page for who uses them, and no other is.
func TestCommandsPage(t *testing.T) {
	page := readPage(t, "clients.md")
	known := map[string]bool{}
	for c := range (&app{}).commands().All {
		known[c.Name] = true
		if !strings.Contains(page, "`topicd "+c.Name+" ") && !strings.Contains(page, "`topicd "+c.Name+"`") {
			t.Errorf("clients.md does not have topicd %s", c.Name)
		}
	}
	for _, m := range regexp.MustCompile("`topicd ([a-z-]+)").FindAllStringSubmatch(page, -1) {
		if !known[m[1]] {
			t.Errorf("clients.md has topicd %s", m[1])
		}
	}
}

// settings.md is what serve --help says, by the tables of the file.
func TestSettingsPage(t *testing.T) {
	if testing.Short() {
		t.Skip("who adds a setting need not write the page at once")
	}
	s := newSettings()
	s.Flags(pflag.NewFlagSet("", pflag.ContinueOnError))
	old := readPage(t, "settings.md")
	page := old
	for _, name := range []string{"top", "limits", "store", "mqtt", "join", "uplink", "center", "eds"} {
		flags, before := s.Set.Table(strings.TrimPrefix(name, "top"))
		mark := regexp.MustCompile("(?s)<!-- " + name + " -->.*?<!-- /" + name + " -->")
		if !mark.MatchString(page) {
			t.Fatalf("settings.md has no place for %s", name)
		}
		table := "<!-- " + name + " -->\n" + settingsTable(flags, before) + "<!-- /" + name + " -->"
		page = mark.ReplaceAllLiteralString(page, table)
	}
	if page == old {
		return
	}
	if !*update {
		t.Fatal("settings.md is not what the flags say: go test ./cmd/topicd -run SettingsPage -update")
	}
	if err := os.WriteFile(pages+"settings.md", []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

func settingsTable(flags *pflag.FlagSet, before string) string {
	var b strings.Builder
	b.WriteString("| in the file | flag | | default |\n|---|---|---|---|\n")
	flags.SortFlags = false
	flags.VisitAll(func(f *pflag.Flag) {
		key, ok := strings.CutPrefix(f.Name, before)
		switch {
		case f.Name == "pprof": // not in what make builds
			return
		case f.Name == "state" || f.Name == "config":
			key = ""
		case !ok: // the table's own: uplink, from-nats
			key = "url"
		}
		if key != "" {
			key = "`" + key + "`"
		}
		value, usage := pflag.UnquoteUsage(f)
		preset := strings.Trim(f.DefValue, "[]")
		if preset != "" {
			preset = "`" + preset + "`"
		}
		row := []string{key, "`--" + f.Name + " " + value + "`", strings.ReplaceAll(usage, "<", "&lt;"), preset}
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "|", "\\|")
		}
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
	})
	return b.String()
}

// The formula's column is what serve reckons with its defaults, and adds up.
func TestMemoryFormula(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("the page has what a machine of 64 bits takes, which is more")
	}
	page := readPage(t, "limits.md")
	s := newSettings()
	s.Flags(pflag.NewFlagSet("", pflag.ContinueOnError))
	w := s.Worst()
	for _, row := range []struct {
		begins string
		bytes  int64
	}{
		{"--memory ", w.Arena},
		{"+ topics × ", w.Topics},
		{"+ memory / 8 ", w.Minutes},
		{"+ connections × 21 KiB", w.Sessions + w.Connections},
		{"+ connections × 16 subscriptions", w.Subscriptions},
		{"+ MQTT's clients", w.MQTT},
		{"+ memory / 2 ", w.Ready},
		{"+ durable topics ", w.Store},
		{"+ Home Assistant ", w.HomeAssistant},
		{"+ 16 MiB ", w.Program},
		{"", w.Total()},
	} {
		line := regexp.MustCompile(`(?m)^    ` + regexp.QuoteMeta(row.begins) + `.* (\d[\d.]*)(?: +MiB)?$`)
		if row.begins == "" {
			line = regexp.MustCompile(`(?m)^ {60,}(\d[\d.]*) +MiB$`)
		}
		m := line.FindStringSubmatch(page)
		if m == nil {
			t.Errorf("limits.md has no line %q", row.begins)
			continue
		}
		told, _ := strconv.ParseFloat(m[1], 64)
		if is := float64(row.bytes) / (1 << 20); told < is-0.06 || told > is+0.06 {
			t.Errorf("limits.md: %q is %s MiB there, and %.2f", row.begins, m[1], is)
		}
	}
	for _, where := range []struct{ page, want string }{
		{"../README.md", fmt.Sprintf("%.0f MiB by default", float64(w.Total())/(1<<20))},
		{"install.md", fmt.Sprintf("MemoryMax=%dM", s.MemoryMax())},
	} {
		if !strings.Contains(readPage(t, where.page), where.want) {
			t.Errorf("%s does not say %q", where.page, where.want)
		}
	}
}

// The defaults of the table of limits are those of the program.
func TestLimitsPage(t *testing.T) {
	page := readPage(t, "limits.md")
	s := newSettings()
	s.Flags(pflag.NewFlagSet("", pflag.ContinueOnError))
	limits, _ := s.Set.Table("limits")
	limits.VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(page, "`"+f.Name+"`") && !strings.Contains(page, "`--"+f.Name+"`") {
			t.Errorf("limits.md does not have %s", f.Name)
		}
	})
	for name, told := range map[string]string{
		"memory": "16 MiB", "topic-cap": "64 KiB", "store-bytes": "64 MiB", "max-frame": "1 MiB", "sessions": "1,024",
		"per-address": "64; loopback", "requests": "1,000 per second", "header": "5 s", "idle": "30 s", "pings": "20 per second",
		"session-topics": "4,096 in the time", "subscriptions": "256, and 16", "rate": "10,000 and 16 MiB per second", "keep": "10 minutes", "stale": "60 s",
	} {
		rows := regexp.MustCompile("(?m)^\\|.*`(?:--)?"+name+"`.*$").FindAllString(page, -1)
		if !strings.Contains(strings.Join(rows, ""), told) {
			t.Errorf("limits.md: %s is %q there, without %q", name, rows, told)
		}
	}
	for name, is := range map[string]string{
		"memory": "16MiB", "topic-cap": "64KiB", "store-bytes": "64MiB", "max-frame": "1MiB", "sessions": "1024", "per-address": "64", "requests": "1000",
		"header": "5s", "idle": "30s", "pings": "20", "session-topics": "4096", "subscriptions": "256", "rate": "10000", "byte-rate": "16MiB", "keep": "10m0s", "stale": "1m0s",
	} {
		if f := s.Set.All.Lookup(name); f.DefValue != is {
			t.Errorf("the default of %s is %s now: write it into limits.md and here", name, f.DefValue)
		}
	}
}

// The exit codes are those of the help.
func TestExitCodesPage(t *testing.T) {
	page := readPage(t, "clients.md")
	for i, word := range []string{"done", "failed", "wrong command line", "no hub reached", "not allowed", "`--timeout`"} {
		if !regexp.MustCompile(fmt.Sprintf(`\b%d\s+%s`, i, word)).MatchString(page) || !strings.Contains(strings.ReplaceAll(command.ExitCodes, "\n", " "), fmt.Sprint(i, " ", strings.Trim(word, "`"))) {
			t.Errorf("clients.md: exit code %d, %s", i, word)
		}
	}
}

// The session in the README does what it shows, line by line, on other ports.
func TestReadmeSession(t *testing.T) {
	processes(t)
	need(t, "/usr/bin/mosquitto_pub", "mosquitto_pub: apt-get install mosquitto-clients")
	need(t, "/usr/bin/curl", "curl: apt-get install curl")
	_, text, _ := strings.Cut(readPage(t, "../README.md"), "## Twelve lines\n\n")
	text, _, _ = strings.Cut(text, "\n\n")
	lines := strings.Split(strings.ReplaceAll(text, "    $ ", "$ "), "\n")
	first := regexp.MustCompile(`^\$ topicd serve (.*) &$`).FindStringSubmatch(lines[0])
	if first == nil || len(lines) != 12 {
		t.Fatalf("%d lines, the first is %s", len(lines), lines[0])
	}
	mqtt := freePort(t)
	bin := binary(t, "amd64")
	h := serveProcess(t, nil, bin, append(strings.Fields(strings.ReplaceAll(first[1], "'", "")), "--mqtt-listen", mqtt, "--sense=off")...)
	_, port, _ := strings.Cut(mqtt, ":")
	dir := t.TempDir()
	if err := os.Symlink(bin, dir+"/topicd"); err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("mosquitto_pub ", "mosquitto_pub -h 127.0.0.1 -p "+port+" ", "curl ", "curl -sS ", "localhost:22345", h.addr, "sub 'plant/#'", "sub 'plant/#' --count 1")
	for i := 1; i < len(lines); i++ {
		command, ok := strings.CutPrefix(lines[i], "$ ")
		if !ok {
			continue // what the banner says is tested with it
		}
		var want string
		for i+1 < len(lines) && !strings.HasPrefix(lines[i+1], "$ ") {
			i++
			want += strings.TrimPrefix(lines[i], "    ") + "\n"
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", here.Replace(command))
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "TOPICD_HUB="+h.addr, "TOPICD_MDNS=off")
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != strings.TrimSpace(want) {
			t.Errorf("%s: %v\n%s\nwant %s", command, err, got, want)
		}
	}
	if kept, err := os.ReadFile(dir + "/plant.jsonl"); !strings.Contains(string(kept), `"data":3.2`) {
		t.Errorf("%s %v", kept, err)
	}
}
