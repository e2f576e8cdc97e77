package firmware

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	fence    = regexp.MustCompile("(?ms)^```.*?^```")
	span     = regexp.MustCompile("`[^`\n]*`")
	mdLink   = regexp.MustCompile(`\]\(([^()\s]+)\)|(?:src|href|srcset)="([^"]+)"`)
	headline = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// Every link of every page leads to a file that is there and to a headline that
// it has, and every page of this folder is reached from the README.
func TestLinks(t *testing.T) {
	pages := map[string]string{} // by path, without code
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == ".build" || d.Name() == "dist"):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			text, err := os.ReadFile(path)
			pages[path] = fence.ReplaceAllString(string(text), "")
			return err
		}
		return nil
	})
	if err != nil || len(pages) < 10 {
		t.Fatal(len(pages), err)
	}
	leads := map[string][]string{}
	for path, text := range pages {
		for _, m := range mdLink.FindAllStringSubmatch(span.ReplaceAllString(text, ""), -1) {
			target := m[1] + m[2]
			u, err := url.Parse(target)
			if err != nil {
				t.Errorf("%s: %s: %v", path, target, err)
				continue
			}
			if u.Scheme != "" {
				continue // another site: not asked
			}
			file := path
			if u.Path != "" {
				file = filepath.Join(filepath.Dir(path), u.Path)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %s is not there", path, target)
				continue
			}
			leads[path] = append(leads[path], file)
			if u.Fragment != "" && !slices.Contains(anchors(pages[file]), u.Fragment) {
				t.Errorf("%s: %s has no headline of that name, it has %q", path, target, anchors(pages[file]))
			}
		}
	}
	reached := map[string]bool{}
	var visit func(string)
	visit = func(path string) {
		if !reached[path] {
			reached[path] = true
			for _, to := range leads[path] {
				visit(to)
			}
		}
	}
	visit("../README.md")
	for path := range pages {
		if filepath.Dir(path) == "../firmware-notes" && !reached[path] {
			t.Errorf("no link leads from the README to %s", path)
		}
	}
}

// anchors are the names of a page's headlines as GitHub makes them.
func anchors(page string) []string {
	var all []string
	for _, m := range headline.FindAllStringSubmatch(page, -1) {
		title := regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`).ReplaceAllString(m[1], "$1")
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title))
		all = append(all, name)
	}
	return all
}

// Who comes for the first time reads to the end.
func TestReadmeIsShort(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if n := strings.Count(string(text), "\n"); err != nil || n > 100 {
		t.Errorf("README.md has %d lines, more than 100: %v", n, err)
	}
}
