package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node/client"
	"topicd/node/uplink/natstest"
)

// Three gateways and a centre: a sensor's CBOR at one is on the centre's page, a
// set-point from the centre reaches a device at another, and the third's line is cut
// while both ends go on. TOPICD_UPLINK_LONG=1m says for how long.
func TestThreeGatewaysAndACentre(t *testing.T) {
	s := natstest.Start(t, "")
	nc := s.Dial()
	natstest.Stream(t, nc, "SITES", map[string]any{"duplicate_window": int64(2 * time.Second)})
	outage, err := time.ParseDuration(os.Getenv("TOPICD_UPLINK_LONG"))
	if err != nil {
		outage = 4 * time.Second
	}
	gates := map[string]*guarded{}
	sensors := map[string]*client.Client{}
	lines := map[string]*natstest.Proxy{}
	for _, site := range []string{"a", "b", "c"} {
		lines[site] = natstest.NewProxy(t, s.Port)
		gates[site] = serveGuarded(t, "--uplink", lines[site].URL, "--uplink-site", site, "--uplink-up", "plant/#", "--uplink-down", "set/#", "--sense=off", "--store-sync", "20ms")
		c, err := client.Dial(t.Context(), client.Options{URL: gates[site].ws, Encoding: codec.CBOR, Dev: "sensor-" + site})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		sensors[site] = c
	}
	centre := serveGuarded(t, "--from-nats", s.URL, "--sense=off")
	heard := make(chan client.Message, 100)
	if _, err := sensors["b"].Subscribe(t.Context(), "set/#", client.SubOptions{}, func(m client.Message) { heard <- m }); err != nil {
		t.Fatal(err)
	}
	published := 0
	pub := func(site string) {
		t.Helper()
		published++
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if _, err := sensors[site].Publish(ctx, "plant/1/temp", fmt.Sprint("reading ", published)); err != nil {
			t.Fatal(err)
		}
	}
	for _, site := range []string{"a", "b", "c"} {
		within(t, "the uplink of "+site+" is up", func() bool { return gates[site].uplink(t).Up })
		pub(site)
	}
	within(t, "the centre has the reading with the gateway's time", func() bool {
		_, there, _ := centre.ask("GET", "/api/topics/a/plant/1/temp", "", bearer+testAdmin)
		_, here, _ := gates["a"].ask("GET", "/api/topics/plant/1/temp", "", bearer+testAdmin)
		return strings.Contains(there, "reading 1") && stamp(here) != "" && stamp(there) == stamp(here)
	})
	if err := nc.Publish("sites.b.down.set.lamp", []byte(`{"on":true}`)); err != nil {
		t.Fatal(err)
	}
	select {
	case m := <-heard:
		if m.Topic != "set/lamp" {
			t.Errorf("%+v", m)
		}
	case <-time.After(30 * time.Second):
		t.Error("the device at b heard nothing")
	}
	lines["c"].Cut(true)
	for end := time.Now().Add(outage); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, site := range []string{"a", "b", "c"} {
			pub(site)
		}
	}
	lines["c"].Cut(false)
	received := func() string {
		_, text, _ := centre.ask("GET", "/metrics", "", bearer+testAdmin)
		_, text, _ = strings.Cut(text, "\ntopicd_center_received_total ")
		n, _, _ := strings.Cut(text, "\n")
		return n
	}
	for range 3 {
		within(t, fmt.Sprintf("the centre has all %d readings", published), func() bool { return received() == fmt.Sprint(published) })
	}
	if list := natstest.Read(t, nc, "SITES", "sites.>"); len(list) != published {
		t.Errorf("%d messages in the stream, %d were published", len(list), published)
	}
	t.Run("page", func(t *testing.T) { centresPage(t, centre, "a/plant/1/temp", fmt.Sprint("reading ", published-2)) })
}

// stamp is the newest reading's ts in an answer.
func stamp(text string) string {
	_, text, _ = strings.Cut(text, `"ts":`)
	return text[:max(0, strings.IndexAny(text, ",}"))]
}

// centresPage looks at the centre's page in a real Chromium.
func centresPage(t *testing.T, g *guarded, topic, text string) {
	need(t, chromium, "Chromium: apt-get install chromium")
	need(t, "/usr/bin/node", "Node.js with npm")
	need(t, filepath.Join(browserDir, "node_modules/playwright-core"), "npm's playwright-core: npm ci in node/web/testdata/browser")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "centre.mjs", g.http+"/", topic, text)
	cmd.Dir = browserDir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
