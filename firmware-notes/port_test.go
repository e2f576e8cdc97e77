package firmware

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A newcomer copies an example and changes the address only: the port must be
// the hub's own.
func TestExamplesNameTheHubsPort(t *testing.T) {
	settings, err := os.ReadFile("../README.md")
	if err != nil || !strings.Contains(string(settings), ":22345") {
		t.Fatal("the hub's port is another now", err)
	}
	at := regexp.MustCompile(`192\.168\.1\.7"?[:,]\s*(\d+)|port=(\d+)`)
	seen := 0
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch filepath.Ext(path) {
		case ".py", ".h", ".c", ".md", ".html", ".ino":
		default:
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range at.FindAllStringSubmatch(string(text), -1) {
			seen++
			if m[1]+m[2] != "22345" {
				t.Errorf("%s: %s", path, m[0])
			}
		}
		return err
	})
	if err != nil || seen < 5 {
		t.Error(seen, err)
	}
}
