//go:build ignore

// A target for the peers' load generator, which measure.sh adds to a copy of
// it: CBOR sensors, and dashboards of which every other one wants JSON, on the
// same topics.

package main

import "sync/atomic"

type mixedHub struct {
	jsonHub // what publishes
	json    jsonHub
	n       atomic.Int64
}

func (m *mixedHub) Subscribe(c *Conn, filters []string) error {
	if m.n.Add(1)%2 == 0 {
		return m.json.Subscribe(c, filters)
	}
	return m.jsonHub.Subscribe(c, filters)
}

func init() {
	m := &mixedHub{jsonHub: *adapters["hubcbor"].(*jsonHub), json: *adapters["hubjson"].(*jsonHub)}
	adapters["hubmixed"] = m
}
