package main

import (
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"topicd/node/dialect/mqtt/packet"
)

// mqttSaid is one connection's CONNACK and what else comes in answer to packets, one a packet.
func mqttSaid(t *testing.T, addr string, v packet.Version, pkts ...[]byte) (out []string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	var b []byte
	read := func() {
		for buf := make([]byte, 4096); ; {
			if pkt, rest, _ := packet.Split(b, 1<<20); pkt != nil {
				b = rest
				out = append(out, packet.TypeOf(pkt).String()+" "+string(pkt))
				return
			}
			n, err := c.Read(buf)
			if err != nil {
				t.Fatal(err, out)
			}
			b = append(b, buf[:n]...)
		}
	}
	for _, p := range pkts {
		if len(p) > 0 {
			_, _ = c.Write(p)
		}
		read()
	}
	return out
}

// A device joins by connecting with its name. Its token comes to it alone: in CONNACK
// with MQTT 5, in a message on $topicd/token before; and is its password from then on.
func TestMQTTJoin(t *testing.T) {
	addr := freePort(t)
	g := serveGuarded(t, "--access", "join", "--mqtt-listen", addr)
	connect := func(v packet.Version, name, password string) []byte {
		return (&packet.Connect{Version: v, CleanStart: true, ClientID: []byte(name), HasPassword: password != "", Password: []byte(password), HasUser: password != "", User: []byte(name)}).Append(nil)
	}
	if got := mqttSaid(t, addr, packet.V5, connect(packet.V5, "early", "")); got[0][len("CONNACK ")+3] < 0x80 {
		t.Errorf("let in before the hub is open: %q", got)
	}
	g.ask("POST", "/api/join", `{"seconds":60}`, bearer+testAdmin)
	five := mqttSaid(t, addr, packet.V5, connect(packet.V5, "plug5", ""))[0]
	_, token, ok := strings.Cut(five, "token")
	if !ok || !strings.HasPrefix(token[2:], "tpd_") {
		t.Fatalf("no token in %q", five)
	}
	four := mqttSaid(t, addr, packet.V4, connect(packet.V4, "plug4", ""), nil)
	_, old, ok := strings.Cut(four[1], "$topicd/token")
	if !ok || !strings.HasPrefix(old, "tpd_") {
		t.Fatalf("no token in %q", four)
	}
	for name, token := range map[string]string{"plug5": token[2:], "plug4": old} {
		if got := mqttSaid(t, addr, packet.V4, connect(packet.V4, name, token)); got[0] != "CONNACK \x20\x02\x00\x00" {
			t.Errorf("%s with its token: %q", name, got)
		}
	}
}

// Who may not manage topics makes none durable or writable, by no door; who may not
// publish puts nothing on disk, also where the operator's pattern says so.
func TestNobodyMakesTopicsDurableWithoutTheRight(t *testing.T) {
	addr := freePort(t)
	g := serveGuarded(t, "--access", "token", "--durable", "z/#", "--mqtt-listen", addr)
	_, token := g.token(`{"name":"pump","publish":["a/#"],"subscribe":["#"]}`)
	ws, _ := g.dial("/ws", bearer+token)
	for _, opts := range []string{`{"durable":true}`, `{"writable":true,"min":1,"max":2}`, `{"static":true,"durable":true}`} {
		for _, topic := range []string{"a/x", "z/x"} {
			wants(t, say(t, ws, `{"op":"make","id":1,"topic":"`+topic+`","opts":`+opts+`}`), `"code":403`)
			if status, body, _ := g.ask("PUT", "/api/topics/"+topic, opts, bearer+token, "Content-Type: application/json"); status != 403 {
				t.Errorf("PUT %s %s: %d %s", topic, opts, status, body)
			}
		}
	}
	// make in a sub is the topic's birth, too.
	born, _ := g.dial("/ws", bearer+token)
	say(t, born, `{"op":"sub","id":2,"topic":"a/y","opts":{"durable":true,"static":true,"writable":true}}`)
	wants(t, say(t, ws, `{"op":"pub","id":3,"topic":"z/x","data":1}`), `"code":403`)
	connect := (&packet.Connect{Version: packet.V5, CleanStart: true, ClientID: []byte("c"), HasUser: true, User: []byte("pump"), HasPassword: true, Password: []byte(token)}).Append(nil)
	pub := func(topic string, retain bool) []byte {
		return (&packet.Publish{Topic: []byte(topic), Payload: []byte("1"), QoS: 1, ID: 1, Retain: retain}).Append(nil, packet.V5)
	}
	sub := packet.Subscribe{ID: 1}
	sub.Filters = sub.Filters.Append(packet.Filter{Filter: []byte("z/new"), QoS: 1})
	got := mqttSaid(t, addr, packet.V5, connect, pub("z/x", true), pub("a/x", false), sub.Append(nil, packet.V5))
	if got[1] != "PUBACK \x40\x03\x00\x01\x87" || !strings.HasPrefix(got[2], "PUBACK \x40\x02") {
		t.Errorf("%q", got)
	}
	if will := mqttSaid(t, addr, packet.V5, (&packet.Connect{Version: packet.V5, CleanStart: true, ClientID: []byte("w"), HasUser: true, User: []byte("pump"), HasPassword: true, Password: []byte(token),
		HasWill: true, Will: packet.Will{Topic: []byte("z/will"), Payload: []byte("1"), QoS: 1, Retain: true}}).Append(nil)); len(will) != 1 {
		t.Errorf("%q", will)
	}
	_, list, _ := g.ask("GET", "/api/topics", "", bearer+testAdmin)
	for _, bad := range []string{`"topic":"z/x"`, `"topic":"z/will"`, `"writable":true`} {
		if strings.Contains(list, bad) {
			t.Errorf("%s in %s", bad, list)
		}
	}
	for _, row := range strings.SplitAfter(list, "},") {
		if strings.Contains(row, `"durable":true`) && (!strings.Contains(row, `"seq":0`) || strings.Contains(row, `"topic":"a/`)) {
			t.Errorf("on disk: %s", row)
		}
	}
	if _, store, _ := g.ask("GET", "/metrics", "", bearer+testAdmin); !strings.Contains(store, "topicd_store_topics 0\n") {
		t.Error("something is on disk")
	}
}

// mosquitto_sub of a hub without any durable topic: $SYS has what is graphed.
func TestMQTTFiguresOfSYS(t *testing.T) {
	processes(t)
	need(t, "/usr/bin/mosquitto_sub", mosquittoTools)
	_, port := mqttHub(t)
	out, err := exec.Command("mosquitto_sub", "-p", port, "-t", "$SYS/broker/clients/connected", "-C", "1", "-W", "60").Output()
	if err != nil || strings.TrimSpace(string(out)) == "" {
		t.Errorf("%q %v", out, err)
	}
}
