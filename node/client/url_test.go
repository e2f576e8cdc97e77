package client

import "testing"

// What people type is completed.
func TestHubURL(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "ws://127.0.0.1:22345/ws",
		"gateway":              "ws://gateway:22345/ws",
		"gateway:8080":         "ws://gateway:8080/ws",
		"192.0.2.7":            "ws://192.0.2.7:22345/ws",
		"fd00::7":              "ws://[fd00::7]:22345/ws",
		"[fd00::7]:80":         "ws://[fd00::7]:80/ws",
		"ws://gateway:80/":     "ws://gateway:80/ws",
		"ws://gateway/x":       "ws://gateway/x",
		"http://gateway":       "ws://gateway/ws",
		"https://hub.example/": "wss://hub.example/ws",

		"http://gateway/hub":                "ws://gateway/hub/ws",
		"https://hub.example/hub/#topics?p": "wss://hub.example/hub/ws",
		"http://gateway/hub/ws":             "ws://gateway/hub/ws",
		"gateway:80/hub":                    "ws://gateway:80/hub/ws",
		"ws://gateway/hub/":                 "ws://gateway/hub/ws",
		"http://gateway:22345/#hub":         "ws://gateway:22345/ws",
		"ws://gateway/scd":                  "ws://gateway/scd",
	} {
		if got, err := HubURL(in); got != want || err != nil {
			t.Errorf("%q: %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"ftp://x", "ws://", "a b", ":80"} {
		if got, err := HubURL(in); err == nil {
			t.Errorf("%q: %s", in, got)
		}
	}
}
