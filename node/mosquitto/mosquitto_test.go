package mosquitto

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// files writes a configuration and the files that it names.
func files(t *testing.T, all map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range all {
		f := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(f), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "mosquitto.conf")
}

func read(t *testing.T, all map[string]string) *Plan {
	t.Helper()
	p, err := Read(files(t, all))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// settings are a plan's settings as lines of TOML.
func settings(p *Plan) string {
	var out []string
	for _, s := range p.Settings {
		out = append(out, strings.TrimPrefix(s.Table+"."+s.Key, ".")+" = "+s.Value)
	}
	return strings.Join(out, "\n")
}

func user(p *Plan, name string) *User {
	for i := range p.Users {
		if p.Users[i].Name == name {
			return &p.Users[i]
		}
	}
	return nil
}

func said(p *Plan, text string) *Note {
	for i := range p.Notes {
		if strings.HasPrefix(p.Notes[i].Text, text) {
			return &p.Notes[i]
		}
	}
	return nil
}

const passwords = "roger:$6$clQ4Ocu312S0qWgl$Cv2w==\nsub_client:$7$101$x$y\npub_client:$7$101$x$y\n"

func TestSettings(t *testing.T) {
	for name, c := range map[string]struct{ conf, want string }{
		"nothing said": {"", `listen = ["127.0.0.1:22345"]
mqtt-listen = ["127.0.0.1:1883"]
access = "lan"`},
		"a listener": {"listener 1883", `mqtt-listen = [":1883"]
access = "token"`},
		"open": {"listener 1883 0.0.0.0\nallow_anonymous true", `mqtt-listen = ["0.0.0.0:1883"]
access = "lan"`},
		"old": {"port 1884\nbind_address 10.0.0.1\nallow_anonymous true", `mqtt-listen = ["10.0.0.1:1884"]
access = "lan"`},
		"IPv6": {"listener 1883 fe80::1\n", `mqtt-listen = ["[fe80::1]:1883"]
access = "token"`},
		"WebSocket and TLS": {"listener 1883\nlistener 8883\ncertfile /c.pem\nkeyfile /k.pem\nlistener 9001\nprotocol websockets\nmax_connections 50", `tls = "/c.pem,/k.pem"
listen = [":22345", ":9001"]
tls-listen = [":22346"]
mqtt-listen = [":1883"]
mqtt-tls-listen = [":8883"]
access = "token"
limits.sessions = 50`},
		"certificates of clients": {"listener 8883\ncertfile c\nkeyfile k\nrequire_certificate true\nlistener 1883 127.0.0.1", `listen = ["127.0.0.1:22345"]
mqtt-listen = ["127.0.0.1:1883"]
access = "token"`},
		"a socket of Unix": {"listener 0 /run/m.sock\nlistener 1883\n", `mqtt-listen = [":1883"]
access = "token"`},
		"a plugin":      {"listener 1883\nallow_anonymous true\nplugin /x.so\nplugin_opt_a b", "mqtt-listen = [\":1883\"]\naccess = \"token\""},
		"large packets": {"listener 1883\nmessage_size_limit 2000000", "mqtt-listen = [\":1883\"]\naccess = \"token\"\nmax-frame = 2000000"},
		"a bridge, and access behind it": {"listener 1883\nallow_anonymous true\nconnection x\naddress a:1883\ntopic # both\nacl_file acl",
			"mqtt-listen = [\":1883\"]\naccess = \"token\""},
	} {
		if got := settings(read(t, map[string]string{"mosquitto.conf": c.conf, "acl": "topic read a"})); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestUsers(t *testing.T) {
	p := read(t, map[string]string{
		"mosquitto.conf": "listener 1883\npassword_file /etc/mosquitto/there/pw\nacl_file acl\n",
		"pw":             passwords + "denied:x\nnone:x\n",
		"acl": `topic read $SYS/#
user roger
topic foo/bar
topic write $SYS/x
topic bad/#/x
user sub_client
topic read home/+/temp with space
user denied
topic readwrite a/#
topic deny a/secret
user stranger
topic x
pattern read %u/#
pattern write dev/%c/x
`})
	for name, want := range map[string]string{
		"roger":      "pub foo/bar sub foo/bar,roger/#",
		"sub_client": "pub  sub home/+/temp with space,sub_client/#",
		"pub_client": "pub  sub pub_client/#",
		"denied":     "pub  sub ",
	} {
		u := user(p, name)
		if u == nil {
			t.Fatal(name)
		}
		if got := "pub " + strings.Join(u.Publish, ",") + " sub " + strings.Join(u.Subscribe, ","); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if u := user(p, "denied"); !strings.Contains(u.Why, "denies") {
		t.Error(u.Why)
	}
	if user(p, "stranger") != nil {
		t.Error("a user without a password has a token")
	}
	for text, kind := range map[string]Kind{
		"topic read $SYS/#": Left, "topic write $SYS/x": Left, "topic bad": Left, "topic x": Left, "pattern write dev": Left, "pattern read": Taken, "topic foo/bar": Taken,
	} {
		if n := said(p, text); n == nil || n.Kind != kind {
			t.Errorf("%s: %+v", text, n)
		}
	}
	for _, set := range p.Settings {
		if set.Key == "access" && set.Value != `"token"` {
			t.Error(set.Value)
		}
	}
}

// Without an ACL file a user may do everything, with one that cannot be read nothing.
func TestWithoutRules(t *testing.T) {
	p := read(t, map[string]string{"mosquitto.conf": "listener 1883\npassword_file pw", "pw": passwords})
	if u := user(p, "roger"); strings.Join(u.Publish, " ") != "#" || strings.Join(u.Subscribe, " ") != "# $SYS/#" {
		t.Errorf("%+v", u)
	}
	p = read(t, map[string]string{"mosquitto.conf": "listener 1883\npassword_file pw\nacl_file missing", "pw": passwords})
	if u := user(p, "roger"); u.Why == "" {
		t.Errorf("%+v", u)
	}
}

// Listeners with rules of their own: a token has one set, so nobody gets one.
func TestRulesByListener(t *testing.T) {
	p := read(t, map[string]string{
		"mosquitto.conf": "per_listener_settings true\nlistener 1883\npassword_file pw\nacl_file acl\nlistener 1884\npassword_file pw\n",
		"pw":             passwords, "acl": "user roger\ntopic read a",
	})
	if u := user(p, "roger"); u == nil || u.Why == "" {
		t.Errorf("%+v", u)
	}
	p = read(t, map[string]string{
		"mosquitto.conf": "per_listener_settings true\nlistener 1883\npassword_file pw\nlistener 1884 127.0.0.1\nallow_anonymous true\n", "pw": passwords,
	})
	if !strings.Contains(settings(p), `access = "token"`) || user(p, "roger").Why != "" {
		t.Errorf("%s %+v", settings(p), p.Users)
	}
}

func TestIncludesAndEndlessOnes(t *testing.T) {
	p := read(t, map[string]string{"mosquitto.conf": "include_dir conf.d", "conf.d/b.conf": "listener 1884", "conf.d/a.conf": "\ufeff# x\nlistener\t1883", "conf.d/no.txt": "x"})
	if want := "mqtt-listen = [\":1883\", \":1884\"]\naccess = \"token\""; settings(p) != want {
		t.Errorf("%s", settings(p))
	}
	if _, err := Read(files(t, map[string]string{"mosquitto.conf": "include_dir .", "x.conf": ""})); err == nil {
		t.Error("a directory that includes itself has no end")
	}
}

// Debian's own files: none of their lines is unknown.
func TestDebiansFiles(t *testing.T) {
	const conf = "/etc/mosquitto/mosquitto.conf"
	if _, err := os.Stat(conf); err != nil {
		t.Skip("needs Debian's mosquitto")
	}
	p, err := Read(conf)
	if err != nil {
		t.Fatal(err)
	}
	if want := "listen = [\"127.0.0.1:22345\"]\nmqtt-listen = [\"127.0.0.1:1883\"]\naccess = \"lan\""; settings(p) != want {
		t.Errorf("%s", settings(p))
	}
	p = read(t, map[string]string{"mosquitto.conf": "listener 1883\npassword_file /etc/mosquitto/pwfile.example\nacl_file /etc/mosquitto/aclfile.example"})
	if len(p.Users) != 3 || strings.Join(user(p, "roger").Publish, " ") != "foo/bar" {
		t.Errorf("%+v", p.Users)
	}
	// Every line that the example has, with its comment sign taken away.
	text, err := os.ReadFile("/usr/share/doc/mosquitto/examples/mosquitto.conf")
	if err != nil {
		t.Skip("Debian's example is not installed")
	}
	var on []string
	for line := range strings.Lines(string(text)) {
		if len(line) > 2 && line[0] == '#' && line[1] >= 'a' && line[1] <= 'z' {
			on = append(on, line[1:])
		}
	}
	p = read(t, map[string]string{"mosquitto.conf": strings.Join(on, "")})
	for _, n := range p.Notes {
		if strings.Contains(n.Why, "not known") {
			t.Errorf("%+v", n)
		}
	}
	if len(on) < 50 {
		t.Errorf("only %d lines in the example", len(on))
	}
}

// A line may be anything.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"listener 1883 ::1\nprotocol websockets", "port x\nbind_address", "acl_file acl\npassword_file pw", "pattern deny %c"} {
		f.Add(s, s, s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, conf, acl, pw string) {
		if strings.Contains(conf, "include_dir") {
			return
		}
		for name, text := range map[string]string{"m.conf": conf, "acl": acl, "pw": pw} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p, err := Read(filepath.Join(dir, "m.conf"))
		if err != nil {
			return
		}
		for _, u := range p.Users {
			if u.Why != "" && len(u.Publish)+len(u.Subscribe) > 0 {
				t.Errorf("%+v", u)
			}
		}
	})
}
