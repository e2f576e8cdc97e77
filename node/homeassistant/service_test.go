package homeassistant

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"topicd/node"
)

func TestAnOrdinarySensor(t *testing.T) {
	g := newRig(t)
	g.cbor("", "greenhouse/1/temp", `{"n":"temp","u":"Cel","v":21.5}`)
	g.pub("", "greenhouse/1/hum", `{"u":"%RH","v":61}`)
	g.pub("", "greenhouse/1/state", `"fine"`)
	g.pub("", "greenhouse/1/bare", `21.5`)
	g.begin()
	f := g.form("topicd_greenhouse_1")
	if f == nil || f.Dev.Name != "Greenhouse 1" || len(f.Cmps) != 2 {
		t.Fatalf("%+v", f)
	}
	c := f.Cmps["topicd_greenhouse_1_temp"]
	for key, want := range map[string]any{
		"p": "sensor", "name": "Temperature", "stat_t": "greenhouse/1/temp", "val_tpl": "{{ value_json.v }}",
		"dev_cla": "temperature", "unit_of_meas": "°C", "stat_cla": "measurement", "uniq_id": "topicd_greenhouse_1_temp",
	} {
		if c[key] != want {
			t.Errorf("%s is %v, want %v", key, c[key], want)
		}
	}
	if f.Avty != "" {
		t.Error("nobody's presence tells of a nameless sensor")
	}
	g.wait(time.Minute)
	if n := g.told("topicd_greenhouse_1"); n != 1 {
		t.Errorf("told %d times, though nothing changed", n)
	}
}

// What is found in packs, with base values, by name or by place.
func TestPacks(t *testing.T) {
	g := newRig(t)
	g.pub("", "shed/pack", `[{"bn":"urn:dev:1:","bu":"Cel","n":"air","v":20},{"n":"soil","v":12},{"n":"door","vb":true}]`)
	g.pub("", "shed/base", `[{"bv":20,"bu":"Cel"},{"v":1.5}]`)
	g.pub("", "shed/ratio", `{"u":"/","v":0.5}`)
	g.pub("", "shed/odd", `[{"n":"a' b","u":"V","v":1}]`)
	g.begin()
	f := g.form("topicd_shed")
	for id, want := range map[string]string{
		"topicd_shed_pack_air": "{% for r in value_json if r.n == 'air' %}{{ r.v }}{% endfor %}",
		"topicd_shed_base_1":   "{{ value_json[1].v + value_json[0].bv }}",
		"topicd_shed_ratio":    "{{ value_json.v * 100 }}",
		"topicd_shed_odd_0":    "{{ value_json[0].v }}",
	} {
		found := false
		for _, c := range f.Cmps {
			found = found || c["val_tpl"] == want
		}
		if !found {
			t.Errorf("%s: %s is not in %s", id, want, f.text)
		}
	}
	if len(f.Cmps) != 5 {
		t.Errorf("%d values in %s", len(f.Cmps), f.text)
	}
	for _, name := range []string{"Pack Air", "Pack Soil", "Base", "Ratio"} {
		if !strings.Contains(f.text, `"name":"`+name+`"`) {
			t.Errorf("none is called %s: %s", name, f.text)
		}
	}
}

// A device has all that it publishes; a gateway's board too.
func TestDevices(t *testing.T) {
	g := newRig(t)
	g.pub("dev-7", "plant/temp", `{"u":"Cel","v":1}`)
	g.pub("dev-7", "plant/hum", `{"u":"%RH","v":1}`)
	g.pub("pi", "gateway/pi/cpu/temp", `{"u":"Cel","v":1}`)
	g.pub("pi", "gateway/pi/disk", `{"u":"/","v":0.1}`)
	g.pub("", "lone", `{"u":"V","v":1}`)
	g.begin()
	if f := g.form("topicd_dev-7"); f == nil || f.Dev.Name != "Dev 7" || len(f.Cmps) != 2 || f.Cmps["topicd_plant_temp"]["name"] != "Plant Temperature" {
		t.Errorf("%+v", f)
	}
	if f := g.form("topicd_pi"); f == nil || len(f.Cmps) != 2 || f.Cmps["topicd_gateway_pi_cpu_temp"]["name"] != "CPU Temperature" {
		t.Errorf("%+v", f)
	}
	if f := g.form("topicd_lone"); f == nil || f.Dev.Name != "Lone" || f.Cmps["topicd_lone"]["name"] != nil {
		t.Errorf("%+v", f)
	}
}

// Meters grow; what also falls is a store.
func TestTotals(t *testing.T) {
	g := newRig(t)
	class := func() string { return fmt.Sprint(g.form("topicd_house").Cmps["topicd_house_power"]["dev_cla"]) }
	say := func(v string) {
		g.pub("", "house/power", `{"u":"kWh","v":`+v+`}`)
		g.wait(lull * time.Millisecond)
	}
	g.pub("", "house/power", `{"u":"kWh","v":100}`)
	g.begin()
	for _, v := range []string{"101", "102", "0.5", "3"} { // it began again
		if say(v); class() != "energy" {
			t.Errorf("at %s it is %s", v, class())
		}
	}
	if say("2"); class() != "energy_storage" {
		t.Errorf("a battery is %s", class())
	}
}

// A topic that goes takes its value along, the last one its device.
func TestRemoval(t *testing.T) {
	g := newRig(t)
	g.pub("", "greenhouse/1/temp", `{"u":"Cel","v":21.5}`)
	g.pub("", "greenhouse/1/hum", `{"u":"%RH","v":61}`)
	g.begin()
	// Home Assistant subscribes to each topic by name: one that is deleted is born again.
	if _, err := g.by("ha").Subscribe([]byte("greenhouse/1/temp"), node.SubOptions{Format: &ear{}}, g.turn); err != nil {
		t.Fatal(err)
	}
	del := func(topic string) {
		if err := g.hub.Delete([]byte(topic), nil, g.turn); err != nil {
			t.Fatal(err)
		}
		g.wait(2 * time.Second)
	}
	del("greenhouse/1/hum")
	f := g.form("topicd_greenhouse_1")
	if c := f.Cmps["topicd_greenhouse_1_hum"]; len(f.Cmps) != 2 || len(c) != 1 || c["p"] != "sensor" {
		t.Fatalf("%s", f.text)
	}
	del("greenhouse/1/temp")
	if f = g.form("topicd_greenhouse_1"); f == nil || f.text != "" {
		t.Fatalf("the device is still told: %+v", f)
	}
	g.wait(time.Minute)
	if g.form("topicd_greenhouse_1") != nil {
		t.Error("the empty configuration keeps its topic for ever")
	}
	g.pub("", "greenhouse/1/temp", `{"u":"Cel","v":21.5}`)
	if g.wait(12 * time.Second); g.form("topicd_greenhouse_1").text == "" {
		t.Error("it is not told when it comes back")
	}
}

// A word between two values does not end a sensor; another unit changes it.
func TestAWordAndAnotherUnit(t *testing.T) {
	g := newRig(t)
	g.pub("", "a/b", `{"u":"Cel","v":1}`)
	g.begin()
	g.pub("", "a/b", `"n/a"`)
	if g.wait(time.Minute); g.told("topicd_a") != 1 {
		t.Error("a word changed what is told")
	}
	g.pub("", "a/b", `{"u":"K","v":1}`)
	if g.wait(time.Minute); g.form("topicd_a").Cmps["topicd_a_b"]["unit_of_meas"] != "K" {
		t.Error("the old unit stays")
	}
}

// Everything is sent again when Home Assistant is there, once, within the jitter.
func TestBirth(t *testing.T) {
	g := newRig(t)
	g.pub("", "a/b", `{"u":"Cel","v":1}`)
	g.pub("", "homeassistant/status", `"online"`)
	g.begin()
	g.wait(time.Minute)
	if n := g.told("topicd_a"); n != 1 {
		t.Errorf("told %d times at the beginning", n)
	}
	for i, status := range []string{`"offline"`, `"online"`, `"online"`} {
		g.cbor("ha", "homeassistant/status", status)
		g.once()
		g.wait(3 * time.Second)
		if n := g.told("topicd_a"); n != uint64(max(1, i+1)) {
			t.Errorf("told %d times after %s", n, status)
		}
	}
}

// What brings its own discovery is left alone, as long as it does.
func TestOthersDiscovery(t *testing.T) {
	g := newRig(t)
	g.pub("", "shelly/temp", `{"u":"Cel","v":1}`)
	g.pub("", "shelly/hum", `{"u":"%RH","v":1}`)
	g.pub("", "homeassistant/sensor/shelly/config", `{"~":"shelly","stat_t":"~/temp","avty":[{"t":"~/online"}]}`)
	g.begin()
	f := g.form("topicd_shelly")
	if len(f.Cmps) != 1 || f.Cmps["topicd_shelly_hum"] == nil {
		t.Fatalf("%s", f.text)
	}
	g.pub("", "homeassistant/device/x/config", `{"dev":{"ids":["x"]},"o":{"name":"x"},"cmps":{"a":{"p":"sensor","state_topic":"shelly/hum"}}}`)
	if g.wait(2 * time.Second); g.form("topicd_shelly").text != "" {
		t.Error("it is told still, when all of its topics are somebody else's")
	}
	g.pub("", "homeassistant/sensor/shelly/config", `""`)
	if g.wait(2 * time.Second); g.form("topicd_shelly").Cmps["topicd_shelly_temp"]["dev_cla"] != "temperature" {
		t.Error("it is not told when its own configuration has gone")
	}
}

// A device's presence is its availability once it has been there for a minute: one
// that sleeps between readings would be away most of the time.
func TestAvailability(t *testing.T) {
	g := newRig(t)
	g.pub("pump", "pump/flow", `{"u":"l/s","v":1}`)
	g.pub("sleepy", "sleepy/temp", `{"u":"Cel","v":1}`)
	g.begin()
	for range 10 {
		g.by("sleepy").Close(g.turn)
		delete(g.as, "sleepy")
		g.wait(15 * time.Second)
		g.pub("sleepy", "sleepy/temp", `{"u":"Cel","v":1}`)
		g.wait(15 * time.Second)
		g.by("pump").Heard(g.now)
	}
	f := g.form("topicd_pump")
	if f.Avty != "homeassistant/device/topicd_pump/state" || g.last(f.Avty) != `"online"` {
		t.Errorf("%s: %s", f.text, g.last(f.Avty))
	}
	if f := g.form("topicd_sleepy"); f.Avty != "" {
		t.Errorf("%s", f.text)
	}
	g.by("pump").Close(g.turn)
	delete(g.as, "pump")
	if g.wait(3 * time.Second); g.last(f.Avty) != `"offline"` {
		t.Error("it is not told that the pump has gone")
	}
	g.pub("pump", "pump/flow", `{"u":"l/s","v":1}`)
	if g.wait(3 * time.Second); g.last(f.Avty) != `"online"` {
		t.Error("it is not told that the pump is back")
	}
}

// A topic that may become stale says so to Home Assistant.
func TestStale(t *testing.T) {
	g := newRig(t)
	if _, err := g.hub.Make([]byte("a/b"), node.MakeOptions{Static: true, Stale: 300}); err != nil {
		t.Fatal(err)
	}
	g.pub("", "a/b", `{"u":"Cel","v":1}`)
	g.begin()
	if got := g.form("topicd_a").Cmps["topicd_a_b"]["exp_aft"]; got != 300.0 {
		t.Errorf("expire_after is %v", got)
	}
}

// Configurations of an earlier run, where the broker's topics are durable, go when
// their sensors do not come back.
func TestConfigurationsOfAnEarlierRun(t *testing.T) {
	g := newRig(t)
	for _, id := range []string{"gone", "a"} {
		g.pub("was", "homeassistant/device/topicd_"+id+"/config", `{"dev":{"ids":["x"]},"o":{"name":"topicd"},"cmps":{"topicd_a_b":{"p":"sensor","stat_t":"a/b","uniq_id":"x"}}}`)
	}
	g.begin()
	g.pub("", "a/b", `{"u":"Cel","v":1}`)
	g.wait(time.Minute)
	if f := g.form("topicd_gone"); f == nil || f.text == "" {
		t.Error("it went before its sensors could come back")
	}
	g.wait(g.hub.Options().Keep)
	if f := g.form("topicd_gone"); f != nil && f.text != "" {
		t.Error("it stays for ever")
	}
	if f := g.form("topicd_a"); f == nil || f.Cmps["topicd_a_b"]["dev_cla"] != "temperature" {
		t.Errorf("%+v", f)
	}
}

// Before anybody asks nothing is published, and no session is open.
func TestItWaitsUntilSomebodyAsks(t *testing.T) {
	for _, c := range []struct {
		pattern string
		asks    bool
	}{
		{"#", false}, {"+/#", false}, {"home/#", false}, {"homeassistant/#", true}, {"homeassistant/+/+/config", true}, {"homeassistant/status", true},
	} {
		g := newRig(t)
		if _, err := g.by("x").Subscribe([]byte(c.pattern), node.SubOptions{Format: (*ear)(g.Service)}, g.turn); err != nil {
			t.Fatal(err)
		}
		if g.asked() != c.asks {
			t.Errorf("%s asks: %v", c.pattern, g.asked())
		}
	}
	g := newRig(t)
	g.pub("", "homeassistant/status", `"online"`)
	if !g.asked() {
		t.Error("Home Assistant's birth message asks")
	}
}

// What is too much is counted, and costs no memory.
func TestLimits(t *testing.T) {
	g := newRig(t)
	long := strings.Repeat("x", 120)
	for i := range 60 {
		g.pub("", fmt.Sprintf("big/%s/%d", long, i), `[`+strings.Repeat(`{"n":"`+long+`","u":"Cel","v":1},`, 30)+`{"n":"b","u":"V","v":1}]`)
	}
	for i := range maxTopics + 20 {
		g.pub("", fmt.Sprintf("many/%d/temp", i), `{"u":"Cel","v":1}`)
	}
	g.begin()
	if g.Left() == 0 || len(g.seen) > maxTopics || g.bytes > maxBytes {
		t.Errorf("left %d, topics %d, bytes %d", g.Left(), len(g.seen), g.bytes)
	}
	was := g.bytes
	for _, topic := range g.hub.Topics("") {
		if !strings.HasPrefix(topic.Name(), "homeassistant/") {
			_ = g.hub.Delete([]byte(topic.Name()), nil, g.turn)
		}
	}
	if g.wait(2 * time.Second); g.bytes != 0 || len(g.seen) != 0 {
		t.Errorf("%d bytes of %d are still counted", g.bytes, was)
	}
	sizes := []int{}
	for _, topic := range g.hub.Topics("homeassistant/#") {
		sizes = append(sizes, int(g.hub.Info(topic, g.now).Bytes))
	}
	if len(sizes) > 0 && slices.Max(sizes) > maxForm+(16<<10) {
		t.Errorf("a configuration of %d bytes", slices.Max(sizes))
	}
}

// What others publish under the prefix may be anything.
func FuzzOthers(f *testing.F) {
	f.Add(`{"~":"a","stat_t":"~/b","cmps":{"x":{"state_topic":"c"}}}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		var o others
		o.hear("x/config", []byte(text))
		o.hear("y/config", []byte(text))
		o.forget("x/config")
		o.forget("y/config")
		if o.bytes != 0 || len(o.topics) != 0 || len(o.configs) != 0 {
			t.Errorf("%d bytes, %d topics are left", o.bytes, len(o.topics))
		}
	})
}

// A topic that is declared writable is a number or a switch which sets it, as soon as
// that is said; what else it was goes.
func TestSetPoints(t *testing.T) {
	g := newRig(t)
	g.pub("", "heat/target", `{"u":"Cel","v":21.5}`)
	g.cbor("", "heat/pump", `true`)
	g.pub("", "heat/any", `7`)
	g.begin()
	if f := g.form("topicd_heat"); f == nil || f.Cmps["topicd_heat_target"]["p"] != "sensor" || len(f.Cmps) != 1 {
		t.Fatalf("%+v", f)
	}
	for topic, o := range map[string]node.MakeOptions{"heat/target": {Writable: true, Min: 5, Max: 30}, "heat/pump": {Writable: true}, "heat/any": {Writable: true}} {
		if _, err := g.hub.Make([]byte(topic), o); err != nil {
			t.Fatal(err)
		}
	}
	g.wait(15 * time.Second)
	f := g.form("topicd_heat")
	for id, want := range map[string]map[string]any{
		"topicd_heat_target": {"p": "sensor"},
		"number_topicd_heat_target": {
			"p": "number", "cmd_t": "heat/target", "stat_t": "heat/target", "min": 5.0, "max": 30.0, "unit_of_meas": "°C", "ret": true,
			"val_tpl": "{{ value_json.v if value_json is mapping else value_json }}",
		},
		"switch_topicd_heat_pump": {"p": "switch", "cmd_t": "heat/pump", "pl_on": "true", "pl_off": "false"},
		"number_topicd_heat_any":  {"p": "number", "mode": "box", "unit_of_meas": nil},
	} {
		for key, v := range want {
			if f.Cmps[id][key] != v {
				t.Errorf("%s: %s is %v, want %v", id, key, f.Cmps[id][key], v)
			}
		}
	}
	g.pub("", "heat/pump", `12`)
	g.wait(15 * time.Second)
	f = g.form("topicd_heat")
	if p, q := f.Cmps["switch_topicd_heat_pump"], f.Cmps["number_topicd_heat_pump"]; len(p) != 1 || p["p"] != "switch" || q["p"] != "number" {
		t.Errorf("a switch that becomes a number: %v, %v", p, q)
	}
}
