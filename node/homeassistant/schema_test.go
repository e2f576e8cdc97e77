package homeassistant

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What Home Assistant accepts, as tables. Read in home-assistant/core:
// homeassistant/components/mqtt/schemas.py at 0f5c1b54 (DEVICE_DISCOVERY_SCHEMA),
// abbreviations.py at 05efb6ea, discovery.py at 00b08a43 (TOPIC_MATCHER), the schema
// of sensors in sensor.py, and homeassistant/components/sensor/const.py at 00eb6680.
// Nothing of its code is here: real Home Assistant is not reachable from the tests.

var (
	deviceKeys = map[string]string{"dev": "device", "o": "origin", "avty_t": "availability_topic", "cmps": "components"}
	devKeys    = map[string]string{"ids": "identifiers", "name": "name", "mf": "manufacturer", "mdl": "model", "sw": "sw_version"}
	originKeys = map[string]string{"name": "name", "sw": "sw_version", "url": "support_url"}
	sensorKeys = map[string]string{
		"p": "platform", "uniq_id": "unique_id", "name": "name", "stat_t": "state_topic", "val_tpl": "value_template", "dev_cla": "device_class",
		"unit_of_meas": "unit_of_measurement", "stat_cla": "state_class", "exp_aft": "expire_after",
	}

	// PLATFORM_SCHEMA_MODERN of number.py and switch.py, as far as it is used.
	setKeys = map[string]map[string]string{
		"number": {
			"p": "platform", "uniq_id": "unique_id", "name": "name", "stat_t": "state_topic", "cmd_t": "command_topic", "val_tpl": "value_template", "ret": "retain",
			"min": "min", "max": "max", "step": "step", "mode": "mode", "unit_of_meas": "unit_of_measurement",
		},
		"switch": {
			"p": "platform", "uniq_id": "unique_id", "name": "name", "stat_t": "state_topic", "cmd_t": "command_topic", "val_tpl": "value_template", "ret": "retain",
			"pl_on": "payload_on", "pl_off": "payload_off",
		},
	}

	topicMatcher = regexp.MustCompile(`^(\w+)/(?:([a-zA-Z0-9_-]+)/)?([a-zA-Z0-9_-]+)/config$`)
)

// classUnits is DEVICE_CLASS_UNITS for the classes that the package uses.
var classUnits = map[string]string{
	"apparent_power": "mVA VA kVA", "area": "m² cm² km²", "atmospheric_pressure": "Pa hPa kPa bar mbar", "battery": "%", "carbon_dioxide": "ppm",
	"conductivity": "S/cm mS/cm µS/cm", "current": "A mA", "data_rate": "bit/s kbit/s Mbit/s Gbit/s B/s kB/s MB/s", "data_size": "bit kbit B kB MB GB KiB MiB",
	"distance": "km m cm mm", "duration": "d h min s ms", "energy": "J kJ MJ GJ Wh kWh MWh", "energy_storage": "J kJ MJ GJ Wh kWh MWh", "frequency": "Hz kHz MHz GHz",
	"gas": "m³ ft³ CCF", "humidity": "%", "illuminance": "lx", "irradiance": "W/m²", "moisture": "%", "ph": "", "pm1": "µg/m³", "pm10": "µg/m³", "pm25": "µg/m³",
	"power": "W kW MW GW TW", "precipitation": "cm mm", "precipitation_intensity": "mm/d mm/h", "pressure": "Pa hPa kPa bar mbar", "reactive_power": "var",
	"signal_strength": "dB dBm", "speed": "m/s km/h kn mm/d mm/h", "temperature": "°C °F K", "voltage": "V mV", "volume": "L m³ mL",
	"volatile_organic_compounds_parts": "ppb ppm", "volume_flow_rate": "m³/h m³/s L/min L/s L/h mL/s", "volume_storage": "L m³ mL", "water": "L m³ CCF",
	"weight": "kg g mg µg", "wind_direction": "°", "wind_speed": "m/s km/h kn",
}

// classStates is DEVICE_CLASS_STATE_CLASSES where it is more or less than measurement.
var classStates = map[string]string{
	"area": "measurement total total_increasing", "data_size": "measurement total total_increasing", "distance": "measurement total total_increasing",
	"duration": "measurement total total_increasing", "energy": "total total_increasing", "gas": "total total_increasing",
	"precipitation": "measurement total total_increasing", "volume": "total total_increasing", "water": "total total_increasing",
	"weight": "measurement total total_increasing", "wind_direction": "",
}

// checkConfig is whether Home Assistant takes a configuration.
func checkConfig(prefix, topic string, payload []byte) error {
	m := topicMatcher.FindStringSubmatch(strings.TrimPrefix(topic, prefix+"/"))
	if m == nil || m[1] != "device" {
		return fmt.Errorf("topic %s", topic)
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(payload, &doc); err != nil {
		return err
	}
	if err := known(doc, deviceKeys, "dev", "o", "cmps"); err != nil {
		return err
	}
	var dev struct{ Ids []string }
	var origin struct{ Name string }
	if json.Unmarshal(doc["dev"], &dev) != nil || len(dev.Ids) == 0 || json.Unmarshal(doc["o"], &origin) != nil || origin.Name == "" {
		return fmt.Errorf("no identifier or no origin: %s", payload)
	}
	for key, keys := range map[string]map[string]string{"dev": devKeys, "o": originKeys} {
		var part map[string]json.RawMessage
		_ = json.Unmarshal(doc[key], &part)
		if err := known(part, keys); err != nil {
			return err
		}
	}
	var cmps map[string]map[string]json.RawMessage
	if err := json.Unmarshal(doc["cmps"], &cmps); err != nil {
		return err
	}
	for id, c := range cmps {
		if err := checkSensor(c); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	return nil
}

func known(doc map[string]json.RawMessage, keys map[string]string, needed ...string) error {
	for key := range doc {
		if keys[key] == "" {
			return fmt.Errorf("%q is no key", key)
		}
	}
	for _, key := range needed {
		if doc[key] == nil {
			return fmt.Errorf("%q is missing", key)
		}
	}
	return nil
}

func checkSensor(c map[string]json.RawMessage) error {
	text := func(key string) string {
		var s string
		_ = json.Unmarshal(c[key], &s)
		return s
	}
	if set := setKeys[text("p")]; set != nil {
		if len(c) == 1 {
			return nil
		}
		var least, most float64
		_, _ = json.Unmarshal(c["min"], &least), json.Unmarshal(c["max"], &most)
		if text("p") == "number" && least >= most {
			return fmt.Errorf("min %s, max %s", c["min"], c["max"])
		}
		return known(c, set, "stat_t", "cmd_t", "uniq_id")
	}
	if text("p") != "sensor" {
		return fmt.Errorf("platform %s", c["p"])
	}
	if len(c) == 1 { // it is removed
		return nil
	}
	if err := known(c, sensorKeys, "stat_t", "uniq_id"); err != nil {
		return err
	}
	if topic := text("stat_t"); topic == "" || strings.ContainsAny(topic, "+#\x00") {
		return fmt.Errorf("state topic %q", topic)
	}
	return checkClass(text("dev_cla"), text("unit_of_meas"), text("stat_cla"))
}

// checkClass is what homeassistant/components/sensor warns of, and what the recorder
// then leaves out of its statistics.
func checkClass(class, unit, state string) error {
	if !slices.Contains([]string{"", "measurement", "total", "total_increasing"}, state) {
		return fmt.Errorf("state class %q", state)
	}
	if class == "" {
		return nil
	}
	allowed, ok := classUnits[class]
	if !ok {
		return fmt.Errorf("device class %q is not in the table", class)
	}
	if !slices.Contains(strings.Fields(allowed), unit) && unit+allowed != "" {
		return fmt.Errorf("unit %q of %s", unit, class)
	}
	states, special := classStates[class]
	if !special {
		states = "measurement"
	}
	if state != "" && !slices.Contains(strings.Fields(states), state) {
		return fmt.Errorf("state class %s of %s", state, class)
	}
	return nil
}
