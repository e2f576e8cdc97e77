package homeassistant

import "testing"

func TestNamesThatAPersonWouldGive(t *testing.T) {
	for in, want := range map[string]string{
		"greenhouse": "Greenhouse", "greenhouse-1": "Greenhouse 1", "temp": "Temperature", "soil_moisture": "Soil Moisture",
		"co2": "CO2", "küche": "Küche", "water level": "Water Level", "PM25": "PM2.5", "": "", "///": "",
	} {
		if got := words(in); got != want {
			t.Errorf("%q is called %q, want %q", in, got, want)
		}
	}
}

// Two names never become one object id, and each is of letters that it may have.
func TestObjectIDs(t *testing.T) {
	seen := map[string]string{}
	for _, key := range []string{"a/b", "a_b", "a b", "a-b", "ä", "ö", "/", "", "a", "a//b", string(make([]byte, 1000)), string(make([]byte, 1001))} {
		id := objectID(key)
		if !topicMatcher.MatchString("device/" + id + "/config") {
			t.Errorf("%q is no object id", id)
		}
		if seen[id] != "" {
			t.Errorf("%q and %q are both %s", seen[id], key, id)
		}
		seen[id] = key
	}
}
