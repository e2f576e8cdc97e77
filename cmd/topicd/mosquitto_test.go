package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// From a mosquitto.conf to a hub that serves its clients: its settings start one, and
// its users have the rights that they had.
func TestImportMosquitto(t *testing.T) {
	dir := t.TempDir()
	_, port, _ := net.SplitHostPort(freePort(t))
	write := func(name, text string) string {
		f := filepath.Join(dir, name)
		if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return f
	}
	write("pw", "kitchen:$7$101$x$y\nscreen:$7$101$x$y\nodd:$7$101$x$y\n")
	write("acl", "user kitchen\ntopic write kitchen/#\nuser screen\ntopic read #\nuser odd\ntopic #\ntopic deny secret\n")
	conf := write("mosquitto.conf", "listener "+port+" 127.0.0.1\npassword_file pw\nacl_file acl\npersistence true\nconnection up\naddress example.org\n")
	toml := filepath.Join(dir, "new.toml")
	state := filepath.Join(dir, "state")

	code, out, errs := runCommand(t, nil, "import-mosquitto", conf, "--dry-run", "--out", toml)
	if code != 1 || !strings.Contains(out, "would be made") || !strings.Contains(out, "a rule denies secret") || !strings.Contains(errs, "no bridge") {
		t.Errorf("%d\n%s\n%s", code, out, errs)
	}
	hub := serveInside(t, "--config", toml, "--state", state)
	env := map[string]string{"TOPICD_HUB": hub, "TOPICD_STATE": state}
	code, out, errs = runCommand(t, env, "import-mosquitto", conf, "--json")
	var made struct {
		Users []importedUser
		Toml  string
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil || code != 1 || len(made.Users) != 3 {
		t.Fatalf("%d %v\n%s\n%s", code, err, out, errs)
	}
	tokens := map[string]string{}
	for _, u := range made.Users {
		tokens[u.Name] = u.Token
	}
	if tokens["odd"] != "" || tokens["kitchen"] == "" || tokens["screen"] == "" {
		t.Errorf("%v", made.Users)
	}
	if code, out, _ = runCommand(t, env, "import-mosquitto", conf); strings.Count(out, "has one") != 2 {
		t.Errorf("a second time: %d\n%s", code, out)
	}
	if code, _, _ := runCommand(t, env, "import-mosquitto", conf, "--dry-run", "--out", toml); code == 0 {
		t.Error("a file that is there was written over")
	}
	if _, err := os.Stat("/usr/bin/mosquitto_pub"); err != nil || testing.Short() {
		return
	}
	pub := func(user, topic string) bool {
		cmd := exec.Command("mosquitto_pub", "-V", "5", "-p", port, "-u", user, "-P", tokens[user], "-t", topic, "-m", "1", "-q", "1")
		out, err := cmd.CombinedOutput()
		return err == nil && !strings.Contains(string(out), "failed") && !strings.Contains(string(out), "Not authorized")
	}
	if !pub("kitchen", "kitchen/temp") {
		t.Error("who could publish no longer can")
	}
	if pub("kitchen", "bath/temp") || pub("screen", "kitchen/temp") {
		t.Error("who could not publish now can")
	}
}
