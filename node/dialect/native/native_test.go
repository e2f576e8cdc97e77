package native

import (
	"testing"
	"time"

	"topicd/node"
)

// TestNative plays what the protocol promises, op by op.
func TestNative(t *testing.T) {
	tests := []struct {
		name   string
		opt    node.Options
		script string
	}{
		{name: "hello and welcome", script: `
			a > {"op":"hello","id":9,"opts":{"dev":"d1"}}
			a < {"op":"welcome","id":9,"data":{"hub":"gw","version":"1.0","now":1700000000000,"mono":1700000000000,"ping":50000,"maxFrame":65536,"retry":1000},"ep":7}
			b >> {"op":"hello"}
			b << {"op":"welcome","data":{"hub":"gw","version":"1.0","now":1700000000000,"mono":1700000000000,"ping":50000,"maxFrame":65536,"retry":1000},"ep":7}`},
		{name: "a subprotocol lets the hub speak first", script: `
			open a topicd.v1.json
			a < {"op":"welcome","data":{"hub":"gw","version":"1.0","now":1700000000000,"mono":1700000000000,"ping":50000,"maxFrame":65536,"retry":1000},"ep":7}
			open b topicd.v1.cbor
			b << {"op":"welcome","data":{"hub":"gw","version":"1.0","now":1700000000000,"mono":1700000000000,"ping":50000,"maxFrame":65536,"retry":1000},"ep":7}
			# it is no obligation: the other encoding is answered in kind
			b > {"op":"ping"}
			b < {"op":"pong"}`},
		{name: "pub is answered when it asks", script: `
			a > {"op":"pub","topic":"t","data":1}
			a > {"op":"pub","id":1,"topic":"t","data":2}
			a < {"op":"ok","id":1,"topic":1,"seq":2}
			a >> {"op":"pub","id":2,"topic":"u","data":2}
			a << {"op":"ok","id":2,"topic":2,"seq":1}`},
		{name: "an alias stands for its topic in every request", script: `
			a > {"op":"pub","id":1,"topic":"t","data":1}
			a < {"op":"ok","id":1,"topic":1,"seq":1}
			a > {"op":"pub","topic":1,"data":2}
			a > {"op":"get","id":2,"topic":1}
			a < {"op":"ok","id":2,"data":[{"topic":"t","seq":2,"ts":1700000000000,"data":2}]}
			a > {"op":"sub","id":3,"topic":1,"opts":{"last":0}}
			a < {"op":"live","id":3,"topic":"t","data":{"count":0}}
			a < {"op":"ok","id":3,"topic":1,"data":{"topics":1,"from":3,"gap":0},"ep":7}
			a > {"op":"unsub","id":4,"topic":1}
			a < {"op":"ok","id":4}
			a > {"op":"make","id":5,"topic":1,"opts":{"static":true}}
			a < {"op":"ok","id":5,"topic":1}
			a > {"op":"delete","id":6,"topic":1}
			a < {"op":"ok","id":6}
			a > {"op":"pub","id":7,"topic":9,"data":1}
			a < {"op":"err","id":7,"err":{"code":404,"msg":"no such topic alias on this connection: publish to the name once more"}}
			a > {"op":"get","id":8,"topic":9}
			a < {"op":"err","id":8,"err":{"code":404,"msg":"no such topic alias on this connection: use the name"}}`},
		{name: "an alias outlives its topic", script: `
			a > {"op":"pub","id":1,"topic":"t","data":1}
			a < {"op":"ok","id":1,"topic":1,"seq":1}
			b > {"op":"delete","id":1,"topic":"t"}
			b < {"op":"ok","id":1}
			a > {"op":"pub","id":2,"topic":1,"data":2}
			a < {"op":"ok","id":2,"topic":1,"seq":1}`},
		{name: "a batch is handled in order, and one bad request does not stop it", script: `
			a > [{"op":"pub","id":1,"topic":"t","data":1},{"op":"pub","id":2,"topic":"t#","data":1},{"op":"ping","id":3},{"op":"pub","id":4,"topic":"t","data":2}]
			a < {"op":"ok","id":1,"topic":1,"seq":1}
			a < {"op":"err","id":2,"err":{"code":400,"msg":"# is for patterns, not for the topic \"t#\""}}
			a < {"op":"pong","id":3}
			a < {"op":"ok","id":4,"topic":1,"seq":2}
			a > []`},
		{name: "ping is echoed, pong is not answered", script: `
			a > {"op":"ping","id":5,"data":{"x":[1,2]}}
			a < {"op":"pong","id":5,"data":{"x":[1,2]}}
			a > {"op":"ping","id":6,"ts":0}
			a < {"op":"pong","id":6,"ts":1700000000000}
			a >> {"op":"ping","data":"x"}
			a << {"op":"pong","data":"x"}
			a > {"op":"pong","data":1}`},
		{name: "split publishes the records of a pack apart", script: `
			s > {"op":"sub","id":1,"topic":"g/#"}
			s < {"op":"live","id":1,"topic":"g/#","data":{"count":0}}
			s < {"op":"ok","id":1,"data":{"topics":0,"from":0,"gap":0},"ep":7}
			a > {"op":"pub","id":1,"topic":"g","opts":{"split":true},"data":[{"bn":"s/","n":"temp","u":"Cel","v":21.5},{"n":"hum","u":"%RH","v":40}]}
			a < {"op":"ok","id":1,"seq":1}
			s < {"op":"msg","topic":"g/s/temp","data":{"n":"s/temp","u":"Cel","v":21.5},"ts":1700000000000,"seq":1}
			s < {"op":"msg","topic":"g/s/hum","data":{"n":"s/hum","u":"%RH","v":40},"ts":1700000000000,"seq":1}
			a > {"op":"pub","id":2,"topic":"g","opts":{"split":true},"data":"no pack"}
			a < {"op":"err","id":2,"err":{"code":400,"msg":"data is neither a number nor SenML"}}`},
		{name: "transcoding between encodings", script: `
			j > {"op":"sub","id":1,"topic":"t"}
			j < {"op":"live","id":1,"topic":"t","data":{"count":0}}
			j < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":1,"gap":0},"ep":7}
			c >> {"op":"sub","id":1,"topic":"t"}
			c << {"op":"live","id":1,"topic":"t","data":{"count":0}}
			c << {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":1,"gap":0},"ep":7}
			x > {"op":"sub","id":1,"topic":"t","opts":{"enc":"cbor"}}
			x << {"op":"live","id":1,"topic":"t","data":{"count":0}}
			x < {"op":"ok","id":1,"topic":1,"data":{"topics":1,"from":1,"gap":0},"ep":7}
			a > {"op":"pub","topic":"t","data":{"v":21.5,"u":"Cel"}}
			j < {"op":"msg","topic":"t","data":{"v":21.5,"u":"Cel"},"ts":1700000000000,"seq":1}
			c << {"op":"msg","topic":"t","data":{"v":21.5,"u":"Cel"},"ts":1700000000000,"seq":1}
			x << {"op":"msg","topic":"t","data":{"v":21.5,"u":"Cel"},"ts":1700000000000,"seq":1}
			a >> {"op":"pub","topic":"t","data":[1,-2.5,"é",null,true]}
			j < {"op":"msg","topic":"t","data":[1,-2.5,"é",null,true],"ts":1700000000000,"seq":2}
			c << {"op":"msg","topic":"t","data":[1,-2.5,"é",null,true],"ts":1700000000000,"seq":2}
			x << {"op":"msg","topic":"t","data":[1,-2.5,"é",null,true],"ts":1700000000000,"seq":2}`},
		{name: "a device's readings tell from whom they are", script: `
			a > {"op":"hello","opts":{"dev":"d1"}}
			a < {"op":"welcome","data":{"hub":"gw","version":"1.0","now":1700000000000,"mono":1700000000000,"ping":50000,"maxFrame":65536,"retry":1000},"ep":7}
			a > {"op":"pub","topic":"t","data":1}
			b > {"op":"get","id":1,"topic":"t"}
			b < {"op":"ok","id":1,"data":[{"topic":"t","seq":1,"ts":1700000000000,"data":1,"from":"d1"}]}`},
		{name: "a reading sent again is recognised, also on a new connection", script: `
			open a topicd.v1.json
			a < {"op":"welcome","data":{"hub":"gw","version":"1.0","now":1700000000000,"mono":1700000000000,"ping":50000,"maxFrame":65536,"retry":1000},"ep":7}
			a > {"op":"hello","opts":{"dev":"d1"}}
			a < {"op":"welcome","data":{"hub":"gw","version":"1.0","now":1700000000000,"mono":1700000000000,"ping":50000,"maxFrame":65536,"retry":1000},"ep":7}
			a > {"op":"pub","id":1,"topic":"t","data":"one","seq":1}
			a < {"op":"ok","id":1,"topic":1,"seq":1}
			a > {"op":"pub","id":2,"topic":"t","data":"one","seq":1}
			a < {"op":"ok","id":2,"topic":1,"seq":1}
			close a
			b > {"op":"hello","opts":{"dev":"d1"}}
			b < {"op":"welcome","data":{"hub":"gw","version":"1.0","now":1700000000000,"mono":1700000000000,"ping":50000,"maxFrame":65536,"retry":1000},"ep":7}
			b > {"op":"pub","id":3,"topic":"t","data":"one","seq":1}
			b < {"op":"ok","id":3,"topic":1,"seq":1}
			# switched off and counting anew: another body
			b > {"op":"pub","id":4,"topic":"t","data":"other","seq":1}
			b < {"op":"ok","id":4,"topic":1,"seq":2}
			# another device with the same number and body
			c > {"op":"hello","opts":{"dev":"d2"}}
			c < {"op":"welcome","data":{"hub":"gw","version":"1.0","now":1700000000000,"mono":1700000000000,"ping":50000,"maxFrame":65536,"retry":1000},"ep":7}
			c > {"op":"pub","id":5,"topic":"t","data":"one","seq":1}
			c < {"op":"ok","id":5,"topic":1,"seq":3}`},
		{name: "make and delete", script: `
			a > {"op":"make","id":1,"topic":"m","opts":{"static":true,"cap":8192,"stale":5}}
			a < {"op":"ok","id":1,"topic":1}
			a > {"op":"list","id":2}
			a < {"op":"ok","id":2,"data":[{"topic":"m","static":true,"seq":0,"ts":0,"readings":0,"bytes":0,"cap":8192,"subscribers":0,"stale":false,"durable":false}]}
			wait 6000
			a > {"op":"list","id":3,"opts":{"what":"topics","match":"+"}}
			a < {"op":"ok","id":3,"data":[{"topic":"m","static":true,"seq":0,"ts":0,"readings":0,"bytes":0,"cap":8192,"subscribers":0,"stale":true,"durable":false}]}
			a > {"op":"delete","id":4,"topic":"m"}
			a < {"op":"ok","id":4}
			a > {"op":"delete","id":5,"topic":"m"}
			a < {"op":"err","id":5,"err":{"code":404,"msg":"no topic \"m\""}}
			a >> {"op":"list","id":6}
			a << {"op":"ok","id":6,"data":[]}`},
		{name: "a static topic stays, a dynamic one goes", opt: node.Options{Keep: 10 * time.Second}, script: `
			a > {"op":"make","id":1,"topic":"s","opts":{"static":true}}
			a < {"op":"ok","id":1,"topic":1}
			a > {"op":"pub","topic":"d","data":1}
			b > {"op":"ping"}
			b < {"op":"pong"}
			wait 60000
			b > {"op":"get","id":1,"topic":"d"}
			b < {"op":"ok","id":1,"data":[{"topic":"d","seq":1,"ts":1700000000000,"data":1}]}
			# its publisher is still there until now
			close a
			wait 11000
			wait 11000
			b > {"op":"get","id":2,"topic":"d"}
			b < {"op":"err","id":2,"err":{"code":404,"msg":"no topic \"d\""}}
			b > {"op":"get","id":3,"topic":"s"}
			b < {"op":"ok","id":3,"data":[]}`},
		{name: "get", script: `
			a > [{"op":"pub","topic":"x/1","data":1},{"op":"pub","topic":"x/1","data":2},{"op":"pub","topic":"x/2","data":3},{"op":"pub","topic":"y","data":4}]
			a > {"op":"get","id":1,"topic":"x/#"}
			a < {"op":"ok","id":1,"data":[{"topic":"x/1","seq":2,"ts":1700000000000,"data":2},{"topic":"x/2","seq":1,"ts":1700000000000,"data":3}]}
			a > {"op":"get","id":2,"topic":"x/1","opts":{"last":9}}
			a < {"op":"ok","id":2,"data":[{"topic":"x/1","seq":1,"ts":1700000000000,"data":1},{"topic":"x/1","seq":2,"ts":1700000000000,"data":2}]}
			a > {"op":"get","id":3,"topic":"x/1","opts":{"since":1}}
			a < {"op":"ok","id":3,"data":[{"topic":"x/1","seq":2,"ts":1700000000000,"data":2}]}
			wait 5000
			a > {"op":"pub","topic":"x/1","data":5}
			a > {"op":"get","id":4,"topic":"+/1","opts":{"since":-3}}
			a < {"op":"ok","id":4,"data":[{"topic":"x/1","seq":3,"ts":1700000005000,"data":5}]}
			a >> {"op":"get","topic":"y"}
			a << {"op":"ok","data":[{"topic":"y","seq":1,"ts":1700000000000,"data":4}]}
			a > {"op":"get","id":5,"topic":"none/#"}
			a < {"op":"ok","id":5,"data":[]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			newTranscript(t, tt.opt).Play(tt.script)
		})
	}
}
