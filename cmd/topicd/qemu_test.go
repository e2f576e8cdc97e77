package main

import (
	"os/exec"
	"strconv"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node/client"
)

// The binaries for ARM serve a JSON and a CBOR client under emulation.
func TestARM(t *testing.T) {
	processes(t)
	for arch, qemu := range map[string]string{"arm": "/usr/bin/qemu-arm-static", "arm64": "/usr/bin/qemu-aarch64-static"} {
		t.Run(arch, func(t *testing.T) {
			t.Parallel()
			need(t, qemu, "qemu-user-static: apt-get install qemu-user-static")
			bin := binary(t, arch)
			if out, err := exec.Command(qemu, bin, "version").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			h := serveProcess(t, []string{qemu}, bin)
			var clients []*client.Client
			got := make(chan client.Message, 1000)
			for _, enc := range []codec.Encoding{codec.JSON, codec.CBOR} {
				c, err := client.Dial(t.Context(), client.Options{URL: h.url, Encoding: enc, Dev: "board-" + enc.String()})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				clients = append(clients, c)
				if _, err := c.Subscribe(t.Context(), "x/+", client.SubOptions{NotOwn: true}, func(m client.Message) { got <- m }); err != nil {
					t.Fatal(err)
				}
			}
			const n = 50
			for i := range n {
				for _, c := range clients {
					if _, err := c.Publish(t.Context(), "x/"+c.Encoding().String(), i); err != nil {
						t.Fatal(err)
					}
				}
			}
			next := map[string]int{}
			for range 2 * n {
				select {
				case m := <-got: // each hears the other
					if m.From == "board-"+m.Enc.String() || string(m.JSON()) != strconv.Itoa(next[m.Topic]) {
						t.Errorf("%+v %s", m, m.JSON())
					}
					next[m.Topic]++
				case <-time.After(60 * time.Second):
					t.Fatalf("heard %v of %d", next, n)
				}
			}
			sensors := 0
			for end := time.Now().Add(60 * time.Second); sensors == 0 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				_ = clients[0].Topics(t.Context(), "gateway/#", func(client.TopicInfo) error { sensors++; return nil })
			}
			if sensors == 0 {
				t.Error("no reading of this board's own")
			}
			if code, took := h.stop(t); code != 0 {
				t.Errorf("exit code %d after %v\n%s", code, took, h.errs.String())
			}
		})
	}
}
