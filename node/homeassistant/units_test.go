package homeassistant

import "testing"

// Every unit, with every name that gives it a class, is one that Home Assistant takes.
func TestEveryUnitIsOneOfHomeAssistants(t *testing.T) {
	names := []string{"x"}
	for _, h := range hints {
		names = append(names, h.word)
	}
	states := []string{"measurement", "total_increasing", ""}
	for senml := range units {
		for _, n := range names {
			for _, fell := range []bool{false, true} {
				u := unitOf(senml, n, fell)
				if err := checkClass(u.class, u.name, states[u.state]); err != nil {
					t.Errorf("%s of %s, fell %v: %v", senml, n, fell, err)
				}
			}
		}
	}
}

func TestUnitsByName(t *testing.T) {
	for _, c := range []struct{ senml, name, class, unit string }{
		{"Cel", "greenhouse/1/temp", "temperature", "°C"},
		{"ppm", "office/CO2", "carbon_dioxide", "ppm"},
		{"ppm", "tank/salt", "", "ppm"},
		{"hPa", "roof/barometer", "atmospheric_pressure", "hPa"},
		{"m/s", "roof/wind", "wind_speed", "m/s"},
		{"furlong", "horse", "", "furlong"},
		{"%EL", "door", "battery", "%"},
	} {
		if u := unitOf(c.senml, c.name, false); u.class != c.class || u.name != c.unit {
			t.Errorf("%s of %s is %q in %q", c.senml, c.name, u.class, u.name)
		}
	}
}
