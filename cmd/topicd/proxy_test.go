package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"topicd/cmd/internal/command"

	"github.com/gorilla/websocket"
)

// entrance is a proxy of other people's in front of the hub.
type entrance struct {
	http string // its address with the path under which the hub is
	h2   bool
}

// behind starts a proxy and waits until it listens.
func behind(t *testing.T, addr string, args ...string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	until(t, 60*time.Second, args[0]+" listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// nginx is Debian's with one server of these lines.
func nginx(t *testing.T, addr, listen, server string) {
	t.Helper()
	need(t, "/usr/sbin/nginx", "nginx: apt-get install nginx-light")
	dir := t.TempDir()
	var temp strings.Builder
	for _, k := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "%s_temp_path %s/%s;\n", k, dir, k)
	}
	file := filepath.Join(dir, "nginx.conf")
	conf := fmt.Sprintf("daemon off; master_process off; pid %s/pid; error_log %s/error;\nevents {}\nhttp {\naccess_log off;\n%sserver { listen %s %s;\n%s\n} }\n", dir, dir, temp.String(), addr, listen, server)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	behind(t, addr, "/usr/sbin/nginx", "-p", dir, "-e", dir+"/error", "-c", file)
}

// caddy is Debian's with one site of these lines.
func caddy(t *testing.T, addr, scheme, site string) {
	t.Helper()
	need(t, "/usr/bin/caddy", "Caddy: apt-get install caddy")
	dir := t.TempDir()
	_, port, _ := net.SplitHostPort(addr)
	file := filepath.Join(dir, "Caddyfile")
	conf := fmt.Sprintf("{\nadmin off\nskip_install_trust\nauto_https disable_redirects\ndefault_sni localhost\n}\n%s://localhost:%s {\nbind 127.0.0.1\n%s\n}\n", scheme, port, site)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	behind(t, addr, "/usr/bin/caddy", "run", "--config", file, "--adapter", "caddyfile")
	until(t, 60*time.Second, "Caddy has its certificate", func() bool {
		if scheme == "http" {
			return true
		}
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"})
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// A hub under a path of a proxy, as people set it up, with HTTP/1.1 and HTTP/2 in
// front: sockets, streams that come at once, requests and the command line, all of
// which need a token there.
func TestBehindProxies(t *testing.T) {
	processes(t)
	const sockets = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; "
	const told = "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Prefix /hub; "
	pem := tlsFiles(t)
	for name, start := range map[string]func(t *testing.T, at, hub string){
		"nginx": func(t *testing.T, at, hub string) {
			nginx(t, at, "", "location /hub/ { proxy_pass "+hub+"/; "+sockets+told+"}")
		},
		"nginx with TLS and HTTP/2": func(t *testing.T, at, hub string) {
			nginx(t, at, "ssl http2", "ssl_certificate "+pem+"; ssl_certificate_key "+pem+";\n"+
				"location /hub/ { proxy_pass "+hub+"/; "+sockets+told+"proxy_set_header X-Forwarded-Proto $scheme; }")
		},
		"Caddy": func(t *testing.T, at, hub string) {
			caddy(t, at, "http", "handle_path /hub/* {\nreverse_proxy "+hub+"\n}")
		},
		"Caddy with TLS and HTTP/2": func(t *testing.T, at, hub string) {
			caddy(t, at, "https", "tls internal\nhandle_path /hub/* {\nreverse_proxy "+hub+" {\nheader_up X-Forwarded-Prefix /hub\n}\n}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := freePort(t)
			_, port, _ := net.SplitHostPort(at)
			f := entrance{h2: strings.HasSuffix(name, "2"), http: "http://localhost:" + port}
			if f.h2 {
				f.http = "https://localhost:" + port
			}
			g := serveGuarded(t, "--origin", f.http)
			start(t, at, g.http)
			f.http += "/hub"
			_, token := g.token(`{"name":"house","publish":["#"],"subscribe":["#"]}`)
			f.check(t, token)
		})
	}
}

// nginx as it comes, with nothing but proxy_pass: requests and streams pass, and who
// needs a WebSocket is told what is in the way, in one line.
func TestProxyWithoutUpgrade(t *testing.T) {
	processes(t)
	at := freePort(t)
	g := serveGuarded(t)
	nginx(t, at, "", "location /hub/ { proxy_pass "+g.http+"/; } location / { return 404; }")
	if status, text, _ := (&guarded{t, "", "http://" + at + "/hub"}).ask("POST", "/api/pub/a", "20"); status != 200 {
		t.Fatal(status, text)
	}
	resp, err := http.Get("http://" + at + "/hub/api/stream?topic=%23")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	s := bufio.NewScanner(resp.Body)
	for !strings.Contains(s.Text(), `"data":20`) {
		if !s.Scan() {
			t.Fatal("the stream has ended", s.Err())
		}
	}
	for _, c := range []struct {
		hub, want string
		exit      int
	}{
		{at + "/hub", "a proxy in between has to pass on Upgrade", command.Unreachable},
		{"http://" + at + "/hub/", "a proxy in between has to pass on Upgrade", command.Unreachable},
		{"http://" + at, "answers 404 Not Found: no WebSocket of a hub\nhint: is that a topicd? Behind a proxy name it", command.Unreachable},
		{g.http + "/#topics?plot=a", "", 0},
	} {
		exit, out, errs := runCommand(t, nil, "get", "a", "--raw", "--hub", c.hub)
		if exit != c.exit || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") > 2 {
			t.Errorf("%s: %d %s%s", c.hub, exit, out, errs)
		}
	}
}

func (f *entrance) check(t *testing.T, token string) {
	const topic = "proxied"
	c := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: 2 * time.Minute}
	do := func(method, path, body, token string) (int, string, *http.Response) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, f.http+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
			return resp.StatusCode, "", resp
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text), resp
	}
	for _, path := range []string{"/api/topics", "/api/stream?topic=%23"} {
		if status, text, _ := do("GET", path, "", ""); status != 401 || !strings.Contains(text, "a token is needed") {
			t.Errorf("%s without a token: %d %s", path, status, text)
		}
	}
	status, text, resp := do("GET", "/", "", "")
	if where := "ws" + strings.TrimPrefix(f.http, "http") + "/ws\n"; status != 200 || !strings.Contains(text, where) && !strings.Contains(text, "to ws below it") || (resp.ProtoMajor == 2) != f.h2 {
		t.Errorf("the page: %d %s by %s", status, text, resp.Proto)
	}
	if status, text, _ := do("POST", "/api/pub/"+topic+"/a", "20", token); status != 200 {
		t.Fatal(status, text)
	}
	_, _, resp = do("GET", "/api/stream?topic="+topic+"/%23", "", token)
	defer resp.Body.Close()
	lines := make(chan string, 100)
	go func() {
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			lines <- s.Text()
		}
		close(lines)
	}()
	streamed := func(part string) {
		t.Helper()
		for deadline := time.After(30 * time.Second); ; {
			select {
			case l, ok := <-lines:
				if !ok {
					t.Fatal("the stream has ended")
				}
				if strings.HasPrefix(l, "data: ") && strings.Contains(l, part) {
					return
				}
			case <-deadline:
				t.Fatalf("%s is held back", part)
			}
		}
	}
	streamed(`"data":20`)
	d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, HandshakeTimeout: 30 * time.Second}
	at := "ws" + strings.TrimPrefix(f.http, "http") + "/ws"
	ws, wsResp, err := d.Dial(at, http.Header{"Origin": {strings.TrimSuffix(f.http, "/hub")}})
	if err != nil {
		t.Fatal(err, wsResp)
	}
	defer ws.Close()
	wants(t, say(t, ws, `{"op":"sub","id":2,"topic":"`+topic+`/a"}`), `"code":401`)
	wants(t, say(t, ws, `{"op":"hello","id":1,"opts":{"token":"`+token+`"}}`), `"welcome"`)
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"sub","id":3,"topic":"`+topic+`/a"}`)); err != nil {
		t.Fatal(err)
	}
	hear(t, ws, `"data":20`)
	if status, text, _ := do("POST", "/api/pub/"+topic+"/a", "21", token); status != 200 {
		t.Fatal(status, text)
	}
	hear(t, ws, `"data":21`)
	streamed(`"data":21`)
	if !f.h2 { // its certificate is nobody's
		if exit, out, errs := runCommand(t, nil, "get", topic+"/a", "--raw", "--hub", f.http+"/#topics", "--token", token); exit != 0 || out != "21\n" {
			t.Error(exit, out, errs)
		}
	}
	if status, text, _ := do("GET", "/api/export?format=csv&topic="+topic+"/a", "", token); status != 200 || !strings.Contains(text, ",21") {
		t.Error(status, text)
	}
}

// tlsFiles makes a certificate for localhost, with its key in the same file.
func tlsFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
		"-subj", "/CN=localhost", "-keyout", dir+"/key", "-out", dir+"/cert").CombinedOutput()
	if err != nil {
		t.Skipf("openssl: %v %s", err, out)
	}
	key, _ := os.ReadFile(dir + "/key")
	cert, _ := os.ReadFile(dir + "/cert")
	file := filepath.Join(dir, "pem")
	if err := os.WriteFile(file, append(key, cert...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
