package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node/client"
)

const realPrograms = "testdata/real/node_modules"

// listener has the newest readings of all topics, as JSON, to somebody who speaks
// neither MQTT nor JSON.
type listener struct {
	t   *testing.T
	hub *client.Client

	mu  sync.Mutex
	got map[string]string
	new chan bool
}

func listen(t *testing.T, hub string) *listener {
	t.Helper()
	c, err := client.Dial(t.Context(), client.Options{URL: hub, Encoding: codec.CBOR})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	h := &listener{t: t, hub: c, got: make(map[string]string), new: make(chan bool, 1)}
	_, err = c.Subscribe(t.Context(), "#", client.SubOptions{}, func(m client.Message) {
		b, err := codec.Transcode(nil, codec.JSON, m.Enc, m.Data)
		if err != nil {
			t.Errorf("%s: %v", m.Topic, err)
		}
		h.mu.Lock()
		h.got[m.Topic] = string(b)
		h.mu.Unlock()
		select {
		case h.new <- true:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// want waits until a topic's newest reading has these words in it.
func (h *listener) want(topic string, words ...string) string {
	h.t.Helper()
	for end := time.After(2 * time.Minute); ; {
		h.mu.Lock()
		v, there := h.got[topic]
		h.mu.Unlock()
		missing := !there
		for _, w := range words {
			missing = missing || !strings.Contains(v, w)
		}
		if !missing {
			return v
		}
		select {
		case <-h.new:
		case <-end:
			h.t.Fatalf("%s is %.300q, want %q", topic, v, words)
		}
	}
}

func (h *listener) pub(topic string, v any) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 60*time.Second)
	defer cancel()
	if _, err := h.hub.Publish(ctx, topic, v); err != nil {
		h.t.Fatal(err)
	}
}

// realProgram is one that runs until it is stopped.
type realProgram struct {
	*exec.Cmd
	end chan error
}

// runProgram starts one in a folder of its own, which is in no repository: Zigbee2MQTT
// would take that for its own and build itself.
func runProgram(t *testing.T, dir string, env []string, args ...string) *realProgram {
	t.Helper()
	need(t, "/usr/bin/node", "Node.js with npm")
	need(t, realPrograms, "npm's node-red and zigbee2mqtt: npm ci in cmd/topicd/testdata/real")
	p := &realProgram{exec.Command("node", args...), make(chan error, 1)}
	var said bytes.Buffer
	p.Stdout, p.Stderr = &said, &said
	p.Dir = dir
	p.Env = append(os.Environ(), env...)
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.end <- p.Wait() }()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.end
		if t.Failed() {
			t.Logf("it said:\n%.8000s", said.String())
		}
	})
	return p
}

// Node-RED hears a native CBOR reading as a number, and its flow's answer is a number
// to everybody. Its birth, close and will arrive.
func TestNodeRED(t *testing.T) {
	processes(t)
	hub, port := mqttHub(t)
	h := listen(t, hub)
	real, _ := filepath.Abs("testdata/real")
	user := t.TempDir()
	red := runProgram(t, user, []string{"TOPICD_PORT=" + port, "FLOWS=" + real + "/flows.json", "USERDIR=" + user}, real+"/node_modules/node-red/red.js", "-s", real+"/settings.js")
	h.want("nodered/state", `"online"`)
	h.pub("celsius/shed", 21.5) // it subscribed before or will: then this is retained
	if v := h.want("fahrenheit/shed"); v != "70.7" {
		t.Errorf("the flow's answer is %s", v)
	}
	_ = red.Process.Kill()
	h.want("nodered/state", `"gone"`)
}

// Zigbee2MQTT with a radio of testdata/real/radio.js: all else of it is what people
// run. Its retained topics of hundreds of KB, its discovery for Home Assistant, what
// devices report, what they are told.
func TestZigbee2MQTT(t *testing.T) {
	processes(t)
	hub, port := mqttHub(t)
	h := listen(t, hub)
	data := t.TempDir()
	for _, f := range []string{"configuration.yaml", "database.db"} {
		b, err := os.ReadFile(filepath.Join("testdata/real/zigbee", f))
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.ReplaceAll(b, []byte("127.0.0.1:1883"), []byte("127.0.0.1:"+port))
		if err := os.WriteFile(filepath.Join(data, f), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	real, _ := filepath.Abs("testdata/real")
	z := runProgram(t, data, []string{"ZIGBEE2MQTT_DATA=" + data}, "-r", real+"/radio.js", real+"/node_modules/zigbee2mqtt/index.js")
	h.want("zigbee2mqtt/bridge/state", `"online"`)
	h.want("zigbee2mqtt/shed", `"temperature":2`)
	h.pub("zigbee2mqtt/plug/set", json.RawMessage(`{"state":"ON"}`))
	h.want("zigbee2mqtt/plug", `"state":"ON"`)
	h.want("zigbee2mqtt/bridge/devices", "lumi.weather", "TRADFRI control outlet")
	if n := len(h.want("zigbee2mqtt/bridge/definitions")); n < 100_000 {
		t.Errorf("the definitions are %d bytes", n)
	}
	h.want("homeassistant/sensor/0x00158d0000000001/temperature/config", `"zigbee2mqtt/shed"`, `"°C"`)
	need(t, "/usr/bin/mosquitto_sub", mosquittoTools)
	got := tool(t, "", "mosquitto_sub", "-p", port, "-t", "zigbee2mqtt/bridge/state", "-t", "zigbee2mqtt/bridge/info", "-C", "2", "-W", "60", "-F", "%t %r")
	if len(got) != 2 || !strings.HasSuffix(got[0], " 1") || !strings.HasSuffix(got[1], " 1") {
		t.Errorf("retained for newcomers are %q", got)
	}
	_ = z.Process.Signal(syscall.SIGTERM)
	h.want("zigbee2mqtt/bridge/state", `"offline"`)
}
