package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The whole hub does over HTTP what its OpenAPI document says, tokens, rooms and
// addresses as they are wired here included; its documents are valid as served.
func TestOpenAPIOfTheHub(t *testing.T) {
	processes(t)
	const js = "../../node/web/testdata/js/"
	need(t, "/usr/bin/node", "Node.js with npm")
	need(t, js+"node_modules/ajv", "npm's ajv: npm ci in node/web/testdata/js")
	admin := filepath.Join(t.TempDir(), "admin")
	if err := os.WriteFile(admin, []byte("a-token-that-is-long-enough\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--admin-token-file", admin)
	out := strings.Join(tool(t, "", "node", js+"openapi.js", "http://"+h.addr, "a-token-that-is-long-enough"), "\n")
	if !regexp.MustCompile(`^[1-9]\d+ calls of [1-9]\d operations, 0 failed$`).MatchString(out) {
		t.Error(out)
	}
	if out := tool(t, "", "node", js+"documents.js", "http://"+h.addr); len(out) != 1 || !strings.HasSuffix(out[0], " 0 failed") {
		t.Error(out)
	}
	if code, took := h.stop(t); code != 0 {
		t.Errorf("exit code %d after %v\n%s", code, took, h.errs.String())
	}
}
