package main

import (
	"encoding/json"
	"strings"
	"testing"

	"topicd/codec"
	"topicd/node/client"
)

// A sensor that speaks CBOR is a number in Home Assistant: found by its birth message,
// read by its template, sent again, removed.
func TestHomeAssistant(t *testing.T) {
	processes(t)
	need(t, "/usr/lib/python3/dist-packages/paho/mqtt", "python3-paho-mqtt: apt-get install python3-paho-mqtt")
	need(t, "/usr/lib/python3/dist-packages/jinja2", "python3-jinja2: apt-get install python3-jinja2")
	hub, port := mqttHub(t)
	c, err := client.Dial(t.Context(), client.Options{URL: hub, Encoding: codec.CBOR})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for topic, reading := range map[string]string{
		"greenhouse/1/temp": `{"u":"Cel","v":21.5}`,
		"shed/fill":         `{"u":"/","v":0.25}`,
		"shed/pack":         `[{"bu":"Cel","n":"air","v":20.5},{"n":"soil","v":12}]`,
	} {
		if _, err := c.Publish(t.Context(), topic, json.RawMessage(reading)); err != nil {
			t.Fatal(err)
		}
	}
	http := "http" + strings.TrimSuffix(strings.TrimPrefix(hub, "ws"), "/ws")
	done(t, python, "testdata/py/homeassistant.py", "127.0.0.1", port, http)
}
