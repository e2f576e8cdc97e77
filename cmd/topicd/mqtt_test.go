package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"topicd/cmd/internal/command"
	"topicd/node/nodetest/port"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

// mqttHub is a hub with MQTT on a port of its own.
func mqttHub(t *testing.T, flags ...string) (hub, port string) {
	t.Helper()
	addr := freePort(t)
	_, port, _ = net.SplitHostPort(addr)
	return serveInside(t, append([]string{"--mqtt-listen", addr}, flags...)...), port
}

// freePort is an address that nobody else gets until the test ends.
func freePort(t *testing.T) string {
	t.Helper()
	return port.Addr(t)
}

const mosquittoTools = "mosquitto-clients: apt-get install mosquitto-clients"

// done runs somebody's client, which says done when all was as it should be.
func done(t *testing.T, name string, args ...string) {
	t.Helper()
	if out := tool(t, "", name, args...); out[len(out)-1] != "done" {
		t.Errorf("%s said %q", name, out)
	}
}

func TestMQTTOfOtherPeoplesClients(t *testing.T) {
	processes(t)
	hub, port := mqttHub(t)
	t.Run("paho of Debian", func(t *testing.T) {
		need(t, "/usr/lib/python3/dist-packages/paho/mqtt", "python3-paho-mqtt: apt-get install python3-paho-mqtt")
		done(t, python, "testdata/py/mqtt.py", "127.0.0.1", port)
	})
	t.Run("mqtt.js", func(t *testing.T) {
		need(t, "testdata/js/node_modules/mqtt", "npm's mqtt: npm ci in cmd/topicd/testdata/js")
		done(t, "node", "testdata/js/mqtt.js", "mqtt://127.0.0.1:"+port)
	})
	t.Run("mqtt.js over WebSocket", func(t *testing.T) {
		need(t, "testdata/js/node_modules/mqtt", "npm's mqtt: npm ci in cmd/topicd/testdata/js")
		done(t, "node", "testdata/js/mqtt.js", strings.TrimSuffix(hub, "/ws")+"/mqtt")
	})
	t.Run("libmosquitto", func(t *testing.T) {
		need(t, "/usr/include/mosquitto.h", "libmosquitto-dev: apt-get install libmosquitto-dev")
		bin := filepath.Join(t.TempDir(), "mosq")
		tool(t, "", "gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", bin, "testdata/c/mosq.c", "-lmosquitto")
		done(t, bin, port)
	})
	t.Run("mosquitto_rr", func(t *testing.T) {
		need(t, "/usr/bin/mosquitto_rr", mosquittoTools)
		answer := exec.Command("sh", "-c", fmt.Sprintf("mosquitto_sub -p %s -V 5 -q 1 -C 1 -t ask && mosquitto_pub -p %s -V 5 -q 1 -t answer -m 42", port, port))
		ready, _ := answer.StdoutPipe()
		if err := answer.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Wait() }()
		go func() { _, _ = ready.Read(make([]byte, 64)) }()
		eventuallySubscribed(t, hub, "ask")
		if out := tool(t, "", "mosquitto_rr", "-p", port, "-V", "5", "-q", "1", "-t", "ask", "-e", "answer", "-m", "?"); out[0] != "42" {
			t.Errorf("%q", out)
		}
	})
}

// eventuallySubscribed waits until somebody hears a topic.
func eventuallySubscribed(t *testing.T, hub, topic string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		a := &app{Env: command.Env{In: strings.NewReader(""), Getenv: func(string) string { return "" }}}
		var out strings.Builder
		a.Out, a.Err = &out, &out
		if a.run(t.Context(), []string{"list", "topics", "--json", "--hub", hub}); strings.Contains(out.String(), `"topic":"`+topic+`"`) && strings.Contains(out.String(), `"subscribers":1`) {
			return
		}
	}
	t.Fatal("nobody subscribes to ", topic)
}

// What MQTT publishes others hear, and the other way round: value for value.
func TestMQTTAndTheOthers(t *testing.T) {
	processes(t)
	need(t, "/usr/bin/mosquitto_pub", mosquittoTools)
	hub, port := mqttHub(t)
	pub := func(args ...string) { tool(t, "", "mosquitto_pub", append([]string{"-p", port}, args...)...) }
	cli := func(args ...string) []string {
		a := &app{Env: command.Env{In: strings.NewReader(""), Getenv: func(string) string { return "" }}}
		var out strings.Builder
		a.Out, a.Err = &out, &out
		if code := a.run(t.Context(), append(args, "--hub", hub)); code != 0 {
			t.Errorf("%q ended with %d: %s", args, code, out.String())
		}
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
	for payload, want := range map[string]string{"21.5": "21.5", `{"v":1}`: `{"v":1}`, "ON": `"ON"`, `"on"`: `"on"`} {
		pub("-t", "shed/x", "-m", payload, "-q", "1")
		if got := cli("get", "shed/x", "--json"); !strings.Contains(got[len(got)-1], `"data":`+want) {
			t.Errorf("%s became %q", payload, got)
		}
	}
	cli("pub", "shed/native", "21.5")
	cli("pub", "shed/word", `"on"`)
	for topic, want := range map[string]string{"shed/native": "21.5", "shed/word": "on"} {
		if got := tool(t, "", "mosquitto_sub", "-p", port, "-t", topic, "-C", "1", "-W", "60"); got[0] != want {
			t.Errorf("%s came as %q, want %s", topic, got, want)
		}
	}
}

// A reading of mosquitto_pub is an SCD client's message and a CBOR gadget's number;
// the dashboard's plot of it is TestDashboard's.
func TestMosquittoIsHeardByAll(t *testing.T) {
	processes(t)
	need(t, "/usr/bin/mosquitto_pub", mosquittoTools)
	needPython(t)
	hub, port := mqttHub(t)
	scd := rawDial(t, strings.TrimSuffix(hub, "ws"))
	tell(t, scd, "SCDTMH:1.0\tTRN:shed/temp\n")
	hear(t, scd, "[server@notify]:TRN|shed/temp|")
	tool(t, "", "mosquitto_pub", "-p", port, "-t", "shed/temp", "-q", "1", "-m", "21.5")
	hear(t, scd, "@shed/temp]:21.5")
	if got := readings(tool(t, "", python, pyFile, hub, "sub", "shed/temp", "1")); len(got) != 1 || got[0] != "21.5" {
		t.Errorf("the CBOR gadget got %q", got)
	}
}

// What is retained of durable topics outlives the hub, with its properties; what
// was ended stays ended.
func TestMQTTRetainedOutlivesTheHub(t *testing.T) {
	processes(t)
	need(t, "/usr/bin/mosquitto_pub", mosquittoTools)
	state := t.TempDir()
	serve := func() (port string, stop func()) {
		addr := freePort(t)
		_, port, _ = net.SplitHostPort(addr)
		_, stop = serveUntil(t, "--state", state, "--mqtt-listen", addr, "--durable", "z/#")
		return port, stop
	}
	port, stop := serve()
	pub := func(args ...string) {
		tool(t, "", "mosquitto_pub", append([]string{"-p", port, "-q", "1"}, args...)...)
	}
	pub("-t", "z/a", "-m", "kept", "-r")
	pub("-t", "z/a", "-m", "passing")
	pub("-t", "z/b", "-m", `{"x":1}`, "-r", "-V", "5", "-D", "publish", "user-property", "k", "v")
	pub("-t", "z/c", "-m", "ended", "-r")
	pub("-t", "z/c", "-n", "-r")
	pub("-t", "z/d", "-m", "passing")
	stop()
	port, _ = serve()
	pub("-t", "z/end", "-m", "end", "-r")
	got := tool(t, "", "mosquitto_sub", "-p", port, "-t", "z/#", "-q", "1", "-V", "5", "-C", "3", "-W", "60", "-F", "%t %p %r %P")
	for _, want := range []string{"z/a kept 1 ", `z/b {"x":1} 1 k:v`, "z/end end 1 "} {
		if !slices.Contains(got, want) && !slices.Contains(got, strings.TrimSpace(want)) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}

// Everybody needs a token where access says so; it is the password.
func TestMQTTTokens(t *testing.T) {
	processes(t)
	need(t, "/usr/bin/mosquitto_pub", mosquittoTools)
	_, port := mqttHub(t, "--access=token", "--admin-token-file", adminFile(t))
	pub := func(args ...string) error {
		return exec.Command("mosquitto_pub", append([]string{"-p", port, "-t", "a", "-m", "1", "-q", "1"}, args...)...).Run()
	}
	for _, args := range [][]string{nil, {"-V", "5"}, {"-u", "me", "-P", "wrong"}} {
		if pub(args...) == nil {
			t.Errorf("let in with %q", args)
		}
	}
	for _, v := range []string{"311", "5"} {
		if err := pub("-V", v, "-u", "anybody", "-P", testAdmin); err != nil {
			t.Error(v, err)
		}
	}
}

func adminFile(t *testing.T) string {
	t.Helper()
	f := filepath.Join(t.TempDir(), "admin")
	if err := os.WriteFile(f, []byte(testAdmin+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// autopaho, the Go client that reconnects, with a session that outlives it.
func TestMQTTAutopaho(t *testing.T) {
	_, port := mqttHub(t)
	u, _ := url.Parse("mqtt://127.0.0.1:" + port)
	got := make(chan string, 100)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	connect := func(id string, expiry uint32) *autopaho.ConnectionManager {
		c, err := autopaho.NewConnection(ctx, autopaho.ClientConfig{
			ServerUrls: []*url.URL{u}, KeepAlive: 20, CleanStartOnInitialConnection: false, SessionExpiryInterval: expiry,
			ClientConfig: paho.ClientConfig{ClientID: id, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
				func(p paho.PublishReceived) (bool, error) { got <- string(p.Packet.Payload); return true, nil },
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AwaitConnection(ctx); err != nil {
			t.Fatal(err)
		}
		return c
	}
	sub, pub := connect("sub", 100), connect("pub", 0)
	if _, err := sub.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "go/#", QoS: 2}}}); err != nil {
		t.Fatal(err)
	}
	send := func(i int) {
		if _, err := pub.Publish(ctx, &paho.Publish{Topic: "go/x", QoS: byte(1 + i%2), Payload: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	again := "" // what may come once more
	want := func(i int) {
		t.Helper()
		for {
			select {
			case s := <-got:
				if s == fmt.Sprint(i) {
					return
				}
				if s != again {
					t.Fatalf("%s, want %d", s, i)
				}
				again = ""
			case <-ctx.Done():
				t.Fatal("nothing comes")
			}
		}
	}
	for i := range 20 {
		send(i)
		want(i)
	}
	_ = sub.Disconnect(ctx)
	for i := range 50 {
		send(i)
	}
	sub = connect("sub", 100)
	again = "19" // it had it, and may have gone before it said so (4.3.3)
	for i := range 50 {
		want(i)
	}
	_ = sub.Disconnect(ctx)
	_ = pub.Disconnect(ctx)
}
