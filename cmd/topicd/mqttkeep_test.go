package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

// Sessions of other people's clients that are away outlive a hub that ends in order
// and one that is killed: each message of a durable topic comes, once.
func TestMQTTSessionsOutliveTheHub(t *testing.T) {
	processes(t)
	need(t, "/usr/bin/mosquitto_sub", mosquittoTools)
	need(t, "/usr/lib/python3/dist-packages/paho/mqtt", "python3-paho-mqtt: apt-get install python3-paho-mqtt")
	for _, kill := range []bool{false, true} {
		t.Run(fmt.Sprint("kill=", kill), func(t *testing.T) {
			state := t.TempDir()
			var port string
			serve := func() *hubProcess {
				addr := freePort(t)
				_, port, _ = net.SplitHostPort(addr)
				return serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", state, "--durable", "z/#", "--mqtt-listen", addr)
			}
			pub := func(n int, qos string) {
				tool(t, "", "mosquitto_pub", "-p", port, "-q", qos, "-t", "z/"+strconv.Itoa(n%3), "-m", strconv.Itoa(n))
			}
			h := serve()
			tool(t, "", "mosquitto_sub", "-p", port, "-c", "-i", "mosq", "-q", "1", "-t", "z/#", "-E")
			done(t, python, "testdata/py/mqttkeep.py", "127.0.0.1", port, "begin")
			for n := range 6 {
				pub(n+1, strconv.Itoa(1+n%2))
			}
			if kill {
				h.kill(t)
			} else {
				h.stop(t)
			}
			serve()
			pub(7, "1")
			got := tool(t, "", "mosquitto_sub", "-p", port, "-c", "-i", "mosq", "-q", "1", "-t", "z/#", "-C", "7", "-W", "60")
			slices.Sort(got)
			if !slices.Equal(got, []string{"1", "2", "3", "4", "5", "6", "7"}) {
				t.Errorf("mosquitto_sub got %q", got)
			}
			done(t, python, "testdata/py/mqttkeep.py", "127.0.0.1", port, "go-on", "7")
		})
	}
}

// kill -9 while messages of QoS 1 flow: each that its publisher was told is stored
// reaches a subscriber whose session goes on.
func TestMQTTKillNineUnderASubscriber(t *testing.T) {
	processes(t)
	state, addr := filepath.Join(t.TempDir(), "state"), freePort(t)
	serve := func() *hubProcess {
		return serveProcess(t, nil, binary(t, "amd64"), "--sense=off", "--state", state, "--durable", "z/#", "--store-sync", "50ms", "--mqtt-listen", addr)
	}
	h := serve()
	u, _ := url.Parse("mqtt://" + addr)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Second)
	defer cancel()
	var mu sync.Mutex
	got, acked, present := map[string]int{}, []string{}, 0
	connect := func(id string, expiry uint32) *autopaho.ConnectionManager {
		c, err := autopaho.NewConnection(ctx, autopaho.ClientConfig{
			ServerUrls: []*url.URL{u}, KeepAlive: 20, SessionExpiryInterval: expiry,
			ReconnectBackoff: func(int) time.Duration { return 50 * time.Millisecond },
			OnConnectionUp: func(_ *autopaho.ConnectionManager, a *paho.Connack) {
				if id == "sub" && a.SessionPresent {
					mu.Lock()
					present++
					mu.Unlock()
				}
			},
			ClientConfig: paho.ClientConfig{ClientID: id, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
				func(p paho.PublishReceived) (bool, error) {
					mu.Lock()
					got[string(p.Packet.Payload)]++
					mu.Unlock()
					return true, nil
				},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AwaitConnection(ctx); err != nil {
			t.Fatal(err)
		}
		return c
	}
	sub, pub := connect("sub", 1000), connect("pub", 0)
	if _, err := sub.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "z/#", QoS: 1}}}); err != nil {
		t.Fatal(err)
	}
	n := 0
	send := func(d time.Duration) {
		for until, least := time.Now().Add(d), len(acked)+8; time.Now().Before(until) || len(acked) < least && ctx.Err() == nil; {
			_ = pub.AwaitConnection(ctx)
			short, done := context.WithTimeout(ctx, 5*time.Second)
			text := strconv.Itoa(n)
			if _, err := pub.Publish(short, &paho.Publish{Topic: "z/" + strconv.Itoa(n%5), QoS: 1, Payload: []byte(text)}); err == nil {
				acked = append(acked, text)
			}
			n++
			done()
		}
	}
	const kills = 3
	for k := range kills {
		send(1500 * time.Millisecond)
		h.kill(t)
		h = serve()
		until(t, 60*time.Second, "the subscriber is back", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return present > k
		})
	}
	send(500 * time.Millisecond)
	missing := func() (list []string) {
		mu.Lock()
		defer mu.Unlock()
		for _, s := range acked {
			if got[s] == 0 {
				list = append(list, s)
			}
		}
		return list
	}
	for end := time.Now().Add(60 * time.Second); len(missing()) > 0 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	lost, more := missing(), 0
	mu.Lock() // more of them may come again still
	came, there := len(got), present
	for _, k := range got {
		more += k - 1
	}
	mu.Unlock()
	t.Logf("%d acknowledged, %d came, %d of them again; session present %d times", len(acked), came, more, there)
	if len(lost) > 0 || len(acked) < 20 || there < kills {
		t.Errorf("%d of %d never came: %.10q; session present %d times of %d", len(lost), len(acked), lost, there, kills)
	}
	_ = sub.Disconnect(ctx)
	_ = pub.Disconnect(ctx)
}
