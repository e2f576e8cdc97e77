package access

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

var publishAll = Patterns{Publish: []string{"#"}}

// What was revoked stays so when the file is read again before it was written, and may be
// put back there by hand once it was.
func TestReloadKeepsWhatIsRevoked(t *testing.T) {
	g, _ := gate(t, Options{Mode: Token, File: filepath.Join(t.TempDir(), "tokens.json")})
	token, grant, _ := g.Create("a", "", publishAll, time.Time{})
	if err := g.Save(); err != nil {
		t.Fatal(err)
	}
	if err := g.Revoke(grant.ID); err != nil {
		t.Fatal(err)
	}
	if err := g.Reload(); err != nil { // the file has it still
		t.Fatal(err)
	}
	if _, err := g.Judge(Source{Addr: near}, token); err == nil || len(g.Tokens()) != 0 {
		t.Error("a token that was revoked came back with its file")
	}
	if err := g.Save(); err != nil || len(g.gone) != 0 {
		t.Error(err, g.gone)
	}
}

// A token that is made while the file is read again is not taken for one that somebody
// has removed from it.
func TestReloadBesideAMake(t *testing.T) {
	g, _ := gate(t, Options{Mode: Token, File: filepath.Join(t.TempDir(), "tokens.json")})
	made := make(chan Row)
	for range 100 {
		go func() {
			row, _ := g.Make(Row{Name: "a", Patterns: publishAll})
			made <- row
		}()
		var row Row
		for row.ID == "" {
			if err := g.Reload(); err != nil && len(g.Tokens()) > 1 { // else its file is not there yet
				t.Fatal(err)
			}
			select {
			case row = <-made:
				if row.ID == "" {
					t.Fatal("no token was made")
				}
			default:
			}
		}
		if _, err := g.Judge(Source{Addr: near}, row.Token); err != nil {
			t.Fatal("a token that was handed out:", err)
		}
		if _, err := g.End(row.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// Who joins when the hub is about to end has its token after the next start.
func TestFinishKeepsWhatRunHasNot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.json")
	g, _ := gate(t, Options{Mode: Join, File: file, Joined: publishAll})
	_ = g.OpenJoin(time.Minute)
	_, _, token, err := g.hello(nil, near, "pump", "", "")
	if err != nil {
		t.Fatal(err)
	}
	g.Finish()
	again, _ := gate(t, Options{Mode: Join, File: file})
	if _, err := again.Judge(Source{Addr: near}, token); err != nil {
		t.Error(err)
	}
}

// While the disk takes no files nobody is given a token that would not be known after a
// restart; what was revoked then is written as soon as it does.
func TestNobodyJoinsWhileNothingIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not/there")
	g, _ := gate(t, Options{Mode: Join, File: filepath.Join(dir, "tokens.json"), Joined: publishAll})
	_ = g.OpenJoin(time.Minute)
	if _, err := g.Make(Row{Name: "a", Patterns: publishAll}); code(err) != 507 {
		t.Fatal(err)
	}
	if _, _, token, err := g.hello(nil, near, "pump", "", ""); code(err) != 507 || token != "" {
		t.Errorf("%q %v", token, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	g.Finish()
	if _, _, token, err := g.hello(nil, near, "pump", "", ""); err != nil || token == "" {
		t.Error(err)
	}
}
