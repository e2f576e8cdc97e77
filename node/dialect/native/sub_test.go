package native

import (
	"testing"

	"topicd/node"
)

// TestSubscribe plays the options of sub: where a subscriber starts and how it
// is read to.
func TestSubscribe(t *testing.T) {
	const five = `
			p > [{"op":"pub","topic":"t","data":1},{"op":"pub","topic":"t","data":2},{"op":"pub","topic":"t","data":3},{"op":"pub","topic":"t","data":4},{"op":"pub","topic":"t","data":5}]`
	tests := []struct {
		name   string
		opt    node.Options
		script string
	}{
		{name: "the last reading first, then live, then what comes", script: five + `
			a > {"op":"sub","id":0,"topic":"t"}
			a < {"op":"msg","topic":"t","data":5,"ts":1700000000000,"seq":5}
			a < {"op":"live","id":0,"topic":"t","data":{"count":1}}
			a < {"op":"ok","id":0,"topic":1,"data":{"topics":1,"from":5,"gap":0},"ep":7}
			p > {"op":"pub","topic":"t","data":6}
			a < {"op":"msg","topic":"t","data":6,"ts":1700000000000,"seq":6}`},
		{name: "without an id the answer has none", script: five + `
			a > {"op":"sub","topic":"t"}
			a < {"op":"msg","topic":"t","data":5,"ts":1700000000000,"seq":5}
			a < {"op":"live","topic":"t","data":{"count":1}}
			a < {"op":"ok","data":{"topics":1,"from":5,"gap":0},"ep":7}`},
		{name: "last", script: five + `
			a > {"op":"sub","id":1,"topic":"t","opts":{"last":3}}
			a < {"op":"msg","topic":"t","data":3,"ts":1700000000000,"seq":3}
			a < {"op":"msg","topic":"t","data":4,"ts":1700000000000,"seq":4}
			a < {"op":"msg","topic":"t","data":5,"ts":1700000000000,"seq":5}
			a < {"op":"live","id":1,"topic":"t","data":{"count":3}}
			a < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":3,"gap":0},"ep":7}
			b > {"op":"sub","id":1,"topic":"t","opts":{"last":0}}
			b < {"op":"live","id":1,"topic":"t","data":{"count":0}}
			b < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":6,"gap":0},"ep":7}`},
		{name: "since a number", script: five + `
			a > {"op":"sub","id":1,"topic":"t","opts":{"since":3,"ep":7}}
			a < {"op":"msg","topic":"t","data":4,"ts":1700000000000,"seq":4}
			a < {"op":"msg","topic":"t","data":5,"ts":1700000000000,"seq":5}
			a < {"op":"live","id":1,"topic":"t","data":{"count":2}}
			a < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":4,"gap":0},"ep":7}`},
		{name: "since the newest, and since a number to come", script: five + `
			a > {"op":"sub","id":1,"topic":"t","opts":{"since":5}}
			a < {"op":"live","id":1,"topic":"t","data":{"count":0}}
			a < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":6,"gap":0},"ep":7}
			b > {"op":"sub","id":1,"topic":"t","opts":{"since":99}}
			b < {"op":"live","id":1,"topic":"t","data":{"count":0}}
			b < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":6,"gap":0},"ep":7}`},
		{name: "another epoch means start over", script: five + `
			a > {"op":"sub","id":1,"topic":"t","opts":{"since":4,"ep":6}}
			a < {"op":"msg","topic":"t","data":1,"ts":1700000000000,"seq":1}
			a < {"op":"msg","topic":"t","data":2,"ts":1700000000000,"seq":2}
			a < {"op":"msg","topic":"t","data":3,"ts":1700000000000,"seq":3}
			a < {"op":"msg","topic":"t","data":4,"ts":1700000000000,"seq":4}
			a < {"op":"msg","topic":"t","data":5,"ts":1700000000000,"seq":5}
			a < {"op":"live","id":1,"topic":"t","data":{"count":5}}
			a < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":1,"gap":0},"ep":7}`},
		{name: "a topic born again has another epoch", script: five + `
			p > {"op":"delete","id":1,"topic":"t"}
			p < {"op":"ok","id":1}
			p > {"op":"pub","topic":"t","data":"new"}
			a > {"op":"sub","id":1,"topic":"t","opts":{"since":4,"ep":7}}
			a < {"op":"live","id":1,"topic":"t","data":{"count":0}}
			a < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":2,"gap":0},"ep":8}`},
		{name: "since some seconds ago", script: five + `
			wait 10000
			p > {"op":"pub","topic":"t","data":6}
			a > {"op":"sub","id":1,"topic":"t","opts":{"since":-5}}
			a < {"op":"msg","topic":"t","data":6,"ts":1700000010000,"seq":6}
			a < {"op":"live","id":1,"topic":"t","data":{"count":1}}
			a < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":6,"gap":0},"ep":7}`},
		{name: "after a time of the hub's own clock, which welcome tells", script: five + `
			wait 10000
			p > {"op":"pub","topic":"t","data":6}
			a > {"op":"sub","id":1,"topic":"#","opts":{"after":1700000010000,"ep":7,"since":-60}}
			a < {"op":"msg","topic":"t","data":6,"ts":1700000010000,"seq":6}
			a < {"op":"live","id":1,"topic":"#","data":{"count":1}}
			a < {"op":"ok","id":1,"data":{"topics":1,"from":0,"gap":0},"ep":7}
			wait 1000
			b > {"op":"sub","id":1,"topic":"#","opts":{"after":1700000010001,"ep":7}}
			b < {"op":"live","id":1,"topic":"#","data":{"count":0}}
			b < {"op":"ok","id":1,"data":{"topics":1,"from":0,"gap":0},"ep":7}`},
		{name: "after in the epoch of another run: since counts", script: five + `
			wait 10000
			p > {"op":"pub","topic":"t","data":6}
			a > {"op":"sub","id":1,"topic":"#","opts":{"after":1800000010000,"ep":6,"since":-5}}
			a < {"op":"msg","topic":"t","data":6,"ts":1700000010000,"seq":6}
			a < {"op":"live","id":1,"topic":"#","data":{"count":1}}
			a < {"op":"ok","id":1,"data":{"topics":1,"from":0,"gap":0},"ep":7}`},
		{name: "after in the epoch of another run and no since: all is new", script: `
			p > [{"op":"pub","topic":"t","data":1},{"op":"pub","topic":"t","data":2}]
			a > {"op":"sub","id":1,"topic":"#","opts":{"after":1800000010000,"ep":6}}
			a < {"op":"msg","topic":"t","data":1,"ts":1700000000000,"seq":1}
			a < {"op":"msg","topic":"t","data":2,"ts":1700000000000,"seq":2}
			a < {"op":"live","id":1,"topic":"#","data":{"count":2}}
			a < {"op":"ok","id":1,"data":{"topics":1,"from":0,"gap":0},"ep":7}`},
		{name: "the newest only", script: five + `
			a > {"op":"sub","id":1,"topic":"t","opts":{"latest":true,"last":3}}
			a < {"op":"msg","topic":"t","data":5,"ts":1700000000000,"seq":5,"drop":2}
			a < {"op":"live","id":1,"topic":"t","data":{"count":1}}
			a < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":3,"gap":0},"ep":7}
			p > [{"op":"pub","topic":"t","data":6},{"op":"pub","topic":"t","data":7},{"op":"pub","topic":"t","data":8}]
			a < {"op":"msg","topic":"t","data":8,"ts":1700000000000,"seq":8,"drop":2}`},
		{name: "a rate: the newest when it is due", script: `
			a > {"op":"sub","id":1,"topic":"t","opts":{"rate":2}}
			a < {"op":"live","id":1,"topic":"t","data":{"count":0}}
			a < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":1,"gap":0},"ep":7}
			p > {"op":"pub","topic":"t","data":1}
			a < {"op":"msg","topic":"t","data":1,"ts":1700000000000,"seq":1}
			p > {"op":"pub","topic":"t","data":2}
			p > {"op":"pub","topic":"t","data":3}
			wait 499
			p > {"op":"ping"}
			p < {"op":"pong"}
			a > {"op":"ping"}
			a < {"op":"pong"}
			wait 1
			a < {"op":"msg","topic":"t","data":3,"ts":1700000000000,"seq":3,"drop":1}
			wait 500
			p > {"op":"pub","topic":"t","data":4}
			a < {"op":"msg","topic":"t","data":4,"ts":1700000001000,"seq":4}`},
		{name: "not one's own", script: `
			a > {"op":"sub","id":1,"topic":"t","opts":{"from":false}}
			a < {"op":"live","id":1,"topic":"t","data":{"count":0}}
			a < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":1,"gap":0},"ep":7}
			a > {"op":"pub","topic":"t","data":"own"}
			p > {"op":"pub","topic":"t","data":"other"}
			a > {"op":"pub","topic":"t","data":"own"}
			a < {"op":"msg","topic":"t","data":"other","ts":1700000000000,"seq":2}`},
		{name: "one's own, by default", script: `
			a > {"op":"sub","id":1,"topic":"t"}
			a < {"op":"live","id":1,"topic":"t","data":{"count":0}}
			a < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":1,"gap":0},"ep":7}
			a > {"op":"pub","id":2,"topic":"t","data":"own"}
			a < {"op":"msg","topic":"t","data":"own","ts":1700000000000,"seq":1}
			a < {"op":"ok","id":2,"topic":1,"seq":1}`},
		{name: "patterns", script: `
			p > [{"op":"pub","topic":"x/1","data":1},{"op":"pub","topic":"x/2","data":2},{"op":"pub","topic":"y","data":3}]
			a > {"op":"sub","id":1,"topic":"x/+"}
			a < {"op":"msg","topic":"x/1","data":1,"ts":1700000000000,"seq":1}
			a < {"op":"msg","topic":"x/2","data":2,"ts":1700000000000,"seq":1}
			a < {"op":"live","id":1,"topic":"x/+","data":{"count":2}}
			a < {"op":"ok","id":1,"data":{"topics":2,"from":0,"gap":0},"ep":7}
			# a topic that is born later
			p > {"op":"pub","topic":"x/3","data":3}
			a < {"op":"msg","topic":"x/3","data":3,"ts":1700000000000,"seq":1}
			p > {"op":"pub","topic":"x/3/4","data":3}`},
		{name: "overlapping subscriptions: once each", script: `
			a > {"op":"sub","id":1,"topic":"x/#"}
			a < {"op":"live","id":1,"topic":"x/#","data":{"count":0}}
			a < {"op":"ok","id":1,"data":{"topics":0,"from":0,"gap":0},"ep":7}
			a > {"op":"sub","id":2,"topic":"x/1"}
			a < {"op":"live","id":2,"topic":"x/1","data":{"count":0}}
			a < {"op":"ok","id":2,"topic":1,"data":{"topics":1,"from":1,"gap":0},"ep":7}
			a > {"op":"sub","id":3,"topic":"+/1"}
			a < {"op":"live","id":3,"topic":"+/1","data":{"count":0}}
			a < {"op":"ok","id":3,"data":{"topics":1,"from":0,"gap":0},"ep":7}
			p > {"op":"pub","topic":"x/1","data":1}
			a < {"op":"msg","topic":"x/1","data":1,"ts":1700000000000,"seq":1}
			a > {"op":"unsub","id":4,"topic":"x/1"}
			a < {"op":"ok","id":4}
			p > {"op":"pub","topic":"x/1","data":2}
			a < {"op":"msg","topic":"x/1","data":2,"ts":1700000000000,"seq":2}
			a > [{"op":"unsub","id":5,"topic":"+/1"},{"op":"unsub","id":6,"topic":"x/#"}]
			a < {"op":"ok","id":5}
			a < {"op":"ok","id":6}
			p > {"op":"pub","topic":"x/1","data":3}
			a > {"op":"unsub","id":7,"topic":"x/#"}
			a < {"op":"err","id":7,"err":{"code":404,"msg":"not subscribed to \"x/#\""}}`},
		{name: "the same pattern again changes its options and replays", script: five + `
			a > {"op":"sub","id":1,"topic":"t","opts":{"last":0}}
			a < {"op":"live","id":1,"topic":"t","data":{"count":0}}
			a < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":6,"gap":0},"ep":7}
			a > {"op":"sub","id":2,"topic":"t","opts":{"last":2,"enc":"cbor"}}
			a << {"op":"msg","topic":"t","data":4,"ts":1700000000000,"seq":4}
			a << {"op":"msg","topic":"t","data":5,"ts":1700000000000,"seq":5}
			a << {"op":"live","id":2,"topic":"t","data":{"count":2}}
			a < {"op":"ok","id":2,"topic":1,"data":{"topics":1,"from":4,"gap":0},"ep":7}
			p > {"op":"pub","topic":"t","data":6}
			a << {"op":"msg","topic":"t","data":6,"ts":1700000000000,"seq":6}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			newTranscript(t, tt.opt).Play(tt.script)
		})
	}
}

// TestPresence plays who hears of whom.
func TestPresence(t *testing.T) {
	const welcome = `{"op":"welcome","data":{"hub":"gw","version":"1.0","now":1700000000000,"mono":1700000000000,"ping":50000,"maxFrame":65536,"retry":1000},"ep":7}`
	tests := []struct{ name, script string }{
		{"a named device comes, is silent, is back, goes", `
			w > {"op":"sub","id":1,"topic":"$sys/presence/d1"}
			w < {"op":"live","id":1,"topic":"$sys/presence/d1","data":{"count":0}}
			w < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":1,"gap":0},"ep":7}
			d >> {"op":"hello","opts":{"dev":"d1"}}
			d << ` + welcome + `
			w < {"op":"msg","topic":"$sys/presence/d1","data":{"client":"d1","state":"online","addr":"10.0.0.1:1","dialect":"native"},"ts":1700000000000,"seq":1}
			wait 61000
			w < {"op":"msg","topic":"$sys/presence/d1","data":{"client":"d1","state":"stale","addr":"10.0.0.1:1","dialect":"native"},"ts":1700000061000,"seq":2}
			d >> {"op":"pong"}
			wait 1000
			w < {"op":"msg","topic":"$sys/presence/d1","data":{"client":"d1","state":"online","addr":"10.0.0.1:1","dialect":"native"},"ts":1700000062000,"seq":3}
			close d
			w < {"op":"msg","topic":"$sys/presence/d1","data":{"client":"d1","state":"offline","addr":"10.0.0.1:1","dialect":"native"},"ts":1700000062000,"seq":4}`},
		{"a device that is back before its old connection is gone stays online", `
			d > {"op":"hello","opts":{"dev":"d1"}}
			d < ` + welcome + `
			e > {"op":"hello","opts":{"dev":"d1"}}
			e < ` + welcome + `
			close d
			w > {"op":"get","id":1,"topic":"$sys/presence/d1"}
			w < {"op":"ok","id":1,"data":[{"topic":"$sys/presence/d1","seq":2,"ts":1700000000000,"data":{"client":"d1","state":"online","addr":"10.0.0.1:1","dialect":"native"}}]}`},
		{"another name: the old one goes offline", `
			d > {"op":"hello","opts":{"name":"Ann"}}
			d < ` + welcome + `
			d > {"op":"hello","opts":{"name":"Bob"}}
			d < ` + welcome + `
			w > {"op":"sub","topic":"$sys/presence/+","opts":{"last":9}}
			w < {"op":"msg","topic":"$sys/presence/c2","data":{"client":"c2","state":"online","addr":"10.0.0.1:1","dialect":"native"},"ts":1700000000000,"seq":1}
			w < {"op":"msg","topic":"$sys/presence/Ann","data":{"client":"Ann","state":"online","addr":"10.0.0.1:1","dialect":"native"},"ts":1700000000000,"seq":1}
			w < {"op":"msg","topic":"$sys/presence/Ann","data":{"client":"Ann","state":"offline","addr":"10.0.0.1:1","dialect":"native"},"ts":1700000000000,"seq":2}
			w < {"op":"msg","topic":"$sys/presence/Bob","data":{"client":"Bob","state":"online","addr":"10.0.0.1:1","dialect":"native"},"ts":1700000000000,"seq":1}
			w < {"op":"live","topic":"$sys/presence/+","data":{"count":4}}
			w < {"op":"ok","data":{"topics":3,"from":0,"gap":0},"ep":7}`},
		{"the nameless appear when somebody watches", `
			a > {"op":"ping"}
			a < {"op":"pong"}
			b > {"op":"list","id":1,"opts":{"what":"topics"}}
			b < {"op":"ok","id":1,"data":[]}
			b > {"op":"get","id":2,"topic":"$sys/presence/c1"}
			b < {"op":"ok","id":2,"data":[{"topic":"$sys/presence/c1","seq":1,"ts":1700000000000,"data":{"client":"c1","state":"online","addr":"10.0.0.1:1","dialect":"native"}}]}
			b > {"op":"sub","id":3,"topic":"$sys/presence/#","opts":{"last":0}}
			b < {"op":"live","id":3,"topic":"$sys/presence/#","data":{"count":0}}
			b < {"op":"ok","id":3,"data":{"topics":2,"from":0,"gap":0},"ep":7}
			c > {"op":"pub","topic":"t","data":1}
			b < {"op":"msg","topic":"$sys/presence/c3","data":{"client":"c3","state":"online","addr":"10.0.0.1:1","dialect":"native"},"ts":1700000000000,"seq":1}
			close a
			b < {"op":"msg","topic":"$sys/presence/c1","data":{"client":"c1","state":"offline","addr":"10.0.0.1:1","dialect":"native"},"ts":1700000000000,"seq":2}`},
		{"list clients", `
			a > {"op":"hello","opts":{"name":"Ann"}}
			a < ` + welcome + `
			a > {"op":"pub","topic":"t","data":1}
			wait 5000
			b >> {"op":"sub","id":1,"topic":"t"}
			b << {"op":"msg","topic":"t","data":1,"ts":1700000000000,"seq":1,"from":"Ann"}
			b << {"op":"live","id":1,"topic":"t","data":{"count":1}}
			b << {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":1,"gap":0},"ep":7}
			b >> {"op":"list","id":2,"opts":{"what":"clients"}}
			b << {"op":"ok","id":2,"data":[{"client":"Ann","addr":"10.0.0.1:1","url":"/ws","dialect":"native","enc":"json","since":1700000000000,"subs":0,"in":1,"out":0,"drop":0},{"client":"c2","addr":"10.0.0.1:1","url":"/ws","dialect":"native","enc":"cbor","since":1700000005000,"subs":1,"in":0,"out":1,"drop":0}]}`},
		{"# does not hear of presence", `
			w > {"op":"sub","topic":"#"}
			w < {"op":"live","topic":"#","data":{"count":0}}
			w < {"op":"ok","data":{"topics":0,"from":0,"gap":0},"ep":7}
			d > {"op":"hello","opts":{"dev":"d1"}}
			d < ` + welcome},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			newTranscript(t, node.Options{}).Play(tt.script)
		})
	}
}
