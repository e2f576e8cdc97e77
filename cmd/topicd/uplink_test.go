package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"topicd/cmd/internal/command"
	"topicd/node/uplink/natstest"
	"topicd/node/web"
)

func TestUplinkSettings(t *testing.T) {
	state := t.TempDir()
	text := "[uplink]\nurl = [\"nats://a:4222\", \"tls://b\"]\nsite = \"farm7\"\nup = [\"plant/#\"]\ndown = [\"set/#\"]\ncreds = \"/x\"\nca = \"/y\"\nstream = \"SITES\"\nenc = \"asis\"\n[center]\nurl = \"nats://c\"\nstream = \"ALL\"\n"
	if err := os.WriteFile(filepath.Join(state, "topicd.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSettings()
	c := command.New("serve", "", "")
	s.Flags(c.Flags)
	if err := c.Flags.Parse([]string{"--state", state, "--uplink-site", "farm8"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Load(func(string) string { return "" }, false); err != nil {
		t.Fatal(err)
	}
	o := s.Uplink
	if fmt.Sprintln(o.URLs, o.Site, o.Up, o.Down, o.Creds, o.CA, o.Stream, s.UplinkEnc, s.Center.URLs, s.Center.Stream, s.Durables(), s.Reserved()) !=
		"[nats://a:4222 tls://b] farm8 [plant/#] [set/#] /x /y SITES asis [nats://c] ALL [plant/#] [uplink center]\n" {
		t.Errorf("%+v %+v %v", o, s.Center, s.Reserved())
	}
}

// Passwords and tokens are not shown again.
func TestUplinkSecrets(t *testing.T) {
	s := newSettings()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.Flags(fs)
	for _, f := range []string{"uplink", "from-nats"} {
		_ = fs.Set(f, "nats://farm7:geheim@hub:4222")
		_ = fs.Set(f, "nats://geheim@hub:4222")
		_ = fs.Set(f+"-token", "geheim")
		for _, name := range []string{f, f + "-token"} {
			if v := fs.Lookup(name).Value.String(); v == "" || strings.Contains(v, "geheim") {
				t.Errorf("--%s shows %q", name, v)
			}
		}
	}
	if s.Uplink.Token != "geheim" || s.Uplink.URLs[0] != "nats://farm7:geheim@hub:4222" {
		t.Errorf("%+v", s.Uplink)
	}
}

// A gateway and a centre from end to end, and what a wrong setting says.
func TestUplinkFromEndToEnd(t *testing.T) {
	s := natstest.Start(t, "")
	nc := s.Dial()
	natstest.Stream(t, nc, "SITES", nil)
	gate := serveGuarded(t, "--uplink", s.URL, "--uplink-site", "farm7", "--uplink-down", "set/#", "--uplink-stream", "SITES", "--sense=off", "--store-sync", "10ms")
	centre := serveGuarded(t, "--from-nats", s.URL, "--from-nats-stream", "SITES", "--sense=off")
	if status, text, _ := gate.ask("POST", "/api/pub", `{"topic":"plant/1","data":{"v":1}}`, bearer+testAdmin); status >= 300 {
		t.Fatal(status, text)
	}
	within(t, "the centre has the reading", func() bool {
		_, text, _ := centre.ask("GET", "/api/topics/farm7/plant/1", "", bearer+testAdmin)
		return strings.Contains(text, `{"v":1}`)
	})
	within(t, "the set-point is there", func() bool {
		_ = nc.Publish("sites.farm7.down.set.lamp", []byte(`{"on":true}`))
		_, text, _ := gate.ask("GET", "/api/topics/set/lamp", "", bearer+testAdmin)
		return strings.Contains(text, `{"on":true}`) && strings.Contains(text, `"uplink"`)
	})
	within(t, "nothing waits", func() bool { return gate.uplink(t).Waiting == 0 })
	if u := gate.uplink(t); !u.Up || u.State != "up" {
		t.Errorf("%+v", u)
	}
	_, text, _ := gate.ask("GET", "/metrics", "", bearer+testAdmin)
	for _, want := range []string{"topicd_uplink_up 1\n", "topicd_uplink_state{state=\"up\"} 1\n", "topicd_uplink_acked_total 1\n", "topicd_uplink_lost_total{reason=\"bytes\"} 0\n", "topicd_uplink_pending_readings 0\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
	if _, text, _ = centre.ask("GET", "/metrics", "", bearer+testAdmin); !strings.Contains(text, "topicd_center_received_total 1\n") || !strings.Contains(text, "topicd_uplink_state{state=\"off\"} 1\n") {
		t.Error("metrics of the centre")
	}
}

func TestAWrongUplinkIsSaidAndTheHubServes(t *testing.T) {
	for _, c := range []struct{ words, flags string }{
		{"begins with nats://", "--uplink http://hub"},
		{"one word", "--uplink nats://127.0.0.1:1 --uplink-site a.b"},
		{"credentials", "--uplink nats://127.0.0.1:1 --uplink-creds /nowhere"},
		{"ca: ", "--uplink nats://127.0.0.1:1 --uplink-ca /nowhere"},
	} {
		g := serveGuarded(t, append(strings.Fields(c.flags), "--sense=off")...)
		within(t, c.words, func() bool {
			u := g.uplink(t)
			return u.State == "refused" && strings.Contains(u.Reason, c.words)
		})
	}
}

// uplink is the uplink's status.
func (g *guarded) uplink(t *testing.T) (u web.Uplink) {
	t.Helper()
	_, text, _ := g.ask("GET", "/api/status", "", bearer+testAdmin)
	var st web.Status
	if err := json.Unmarshal([]byte(text), &st); err != nil || st.Uplink == nil {
		t.Fatal(err, text)
	}
	return *st.Uplink
}

// within waits until ok.
func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time: " + what)
		}
	}
}
