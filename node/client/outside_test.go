package client

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A program outside this module uses the client as clients.md says.
func TestUsedFromOutside(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(root + "/firmware-notes/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^    \$ (go mod init .*)$`).FindSubmatch(page)
	if line == nil {
		t.Fatal("clients.md does not say how")
	}
	dir := t.TempDir()
	program := `package main

import (
	"context"

	"topicd/node/client"
)

func main() {
	if _, err := client.Dial(context.Background(), client.Options{URL: "ws://127.0.0.1:1/ws"}); err == nil {
		panic("nobody is there")
	}
}
`
	if err := os.WriteFile(dir+"/main.go", []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(root + "/go.sum")
	if err == nil {
		err = os.WriteFile(dir+"/go.sum", sums, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	// What tidy would fetch for tests of others is not needed, and is not fetched here.
	how := strings.NewReplacer("../topicd", root, " && go mod tidy", "").Replace(string(line[1]))
	cmd := exec.Command("sh", "-c", how+" && go run -mod=mod .")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", how, err, out)
	}
}
