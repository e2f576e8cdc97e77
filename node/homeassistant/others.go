package homeassistant

import (
	"encoding/json"
	"strings"
)

// others are the topics that configurations of somebody else name: of devices that
// bring their own discovery.
type others struct {
	topics  map[string]int      // how many configurations name it
	configs map[string][]string // what each of them names
	bytes   int
}

// Limits of others: what is beyond them is not left alone.
const (
	maxOthers      = 1 << 20 // bytes of names
	maxOtherConfig = 256 << 10
)

// hear takes over a configuration; true: what the topics are has changed. An empty
// one removes it.
func (o *others) hear(what string, text []byte) bool {
	changed := o.forget(what)
	if len(text) > maxOtherConfig || o.bytes > maxOthers {
		return changed
	}
	var doc map[string]any
	if json.Unmarshal(text, &doc) != nil || len(doc) == 0 {
		return changed
	}
	if o.topics == nil {
		o.topics, o.configs = make(map[string]int), make(map[string][]string)
	}
	base, _ := doc["~"].(string)
	var found []string
	collect(doc, base, 4, func(topic string) { found = append(found, topic) })
	for _, t := range found {
		o.topics[t]++
		o.bytes += len(t)
	}
	if len(found) > 0 {
		o.configs[what] = found
	}
	return true
}

func (o *others) forget(what string) bool {
	found := o.configs[what]
	for _, t := range found {
		o.bytes -= len(t)
		if o.topics[t]--; o.topics[t] <= 0 {
			delete(o.topics, t)
		}
	}
	delete(o.configs, what)
	return len(found) > 0
}

// collect calls hit for every topic that a configuration names, which stands under a
// key that ends with topic or _t (abbreviations.py), or t in a list of availability.
func collect(doc map[string]any, base string, depth int, hit func(string)) {
	for key, v := range doc {
		switch v := v.(type) {
		case string:
			if key == "t" || strings.HasSuffix(key, "topic") || strings.HasSuffix(key, "_t") {
				if base != "" && strings.HasPrefix(v, "~") {
					v = base + v[1:]
				} else if base != "" && strings.HasSuffix(v, "~") {
					v = v[:len(v)-1] + base
				}
				hit(v)
			}
		case map[string]any:
			if depth > 0 {
				collect(v, base, depth-1, hit)
			}
		case []any:
			for _, e := range v {
				if m, ok := e.(map[string]any); ok && depth > 0 {
					collect(m, base, depth-1, hit)
				}
			}
		}
	}
}

// ofTopicd: the configuration is of this program, of an earlier run.
func ofTopicd(text []byte) bool {
	var doc struct {
		O struct{ Name string }
	}
	return json.Unmarshal(text, &doc) == nil && doc.O.Name == origin
}
