//go:build ignore

// edge measures what brings readings from a gateway to NATS JetStream at a centre:
// topicd's uplink, and beside it a leaf node with a JetStream stream that the centre
// sources. Sensors publish to the edge, each reading is acknowledged there, and sent
// again where it was not. The edge runs on core 0, all else on core 1. It prints a
// row as the peers' generator does:
//
//	w8        CPU of the edge's process a reading, until the centre has all
//	w8_kill   the line is cut for 2 s, in the middle the edge is killed -9 and started again
//	w8_power  the same, and what was not synced to its disk is gone (root and a loop device)
//
// Lost are readings that the edge had acknowledged and the centre never got, Bad those
// that it got twice.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"topicd/codec"
	"topicd/node/client"
)

var (
	hub     = flag.String("topicd", "bin/topicd", "")
	server  = flag.String("nats", "nats-server", "")
	sensors = flag.Int("sensors", 400, "with ten readings a second each")
	seconds = flag.Float64("seconds", 5, "")
	work    = flag.String("work", "w8", "w8, w8_kill, w8_power")
)

// Addresses: of the centre, its leaf nodes' listener, the line to either, the edge.
const centre, leafs, line, edge = "127.0.0.1:24222", "127.0.0.1:24223", "127.0.0.1:24224", "127.0.0.1:24225"

type row struct {
	Target, Work  string
	Rate, CPUperM float64
	RSS           int64
	Max           float64 // µs from the last acknowledgement to the last arrival
	Lost, Bad     int
	Load          string
}

func main() {
	flag.Parse()
	text, _ := json.Marshal(run(flag.Arg(0)))
	fmt.Println(string(text))
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func run(target string) row {
	dir := must(os.MkdirTemp("", "edge"))
	defer os.RemoveAll(dir)
	load, _, _ := strings.Cut(string(must(os.ReadFile("/proc/loadavg"))), " ")
	r := row{Target: target, Work: *work, Load: load}
	conf := fmt.Sprintf("server_name: centre\nlisten: %q\njetstream { domain: centre, store_dir: %q }\nleafnodes { listen: %q }\n", centre, dir+"/centre", leafs)
	c := start("1", *server, "-c", write(dir, "centre.conf", conf))
	defer c.end()
	await(centre)
	p := &proxy{to: centre}
	if target != "hub-uplink" {
		p.to = leafs
	}
	l := must(net.Listen("tcp", line))
	defer l.Close()
	go p.serve(l)

	disk := newDisk(dir)
	defer disk.end()
	command := edgeCommand(target, dir, disk.dir)
	e := start("0", command...)
	defer func() { e.end() }()
	await(edge)
	js := streams(target)
	publish := publishers(target)
	exec.Command("sync", "-f", disk.dir).Run()
	begin, cpu := time.Now(), e.cpu()
	acked := flow(publish, func() {
		if *work == "w8" {
			return
		}
		time.Sleep(time.Second)
		p.cut(true)
		time.Sleep(time.Second)
		e.end()
		disk.powerCut()
		e = start("0", command...)
		time.Sleep(time.Second)
		p.cut(false)
	})
	r.Rate = float64(acked) / time.Since(begin).Seconds()
	found, twice, late := arrived(js, acked)
	r.CPUperM, r.RSS = (e.cpu()-cpu)/float64(acked)*1e6, e.rss()
	if *work != "w8" {
		r.CPUperM = 0
	}
	r.Lost, r.Bad, r.Max = acked-found, twice, late.Seconds()*1e6
	return r
}

// edgeCommand is what runs at the edge, with its state in disk.
func edgeCommand(target, dir, disk string) []string {
	if target == "hub-uplink" {
		return []string{*hub, "serve", "--listen", edge, "--mdns=off", "--sense=off", "--limits=bench", "--state", disk,
			"--uplink", "nats://" + line, "--uplink-site", "edge", "--uplink-up", "s/#"}
	}
	sync := ""
	if target == "nats-leaf-always" {
		sync = ", sync_interval: always"
	}
	return []string{*server, "-c", write(dir, "edge.conf", fmt.Sprintf(
		"server_name: edge\nlisten: %q\njetstream { domain: edge, store_dir: %q%s }\nleafnodes { remotes: [ { url: \"nats-leaf://%s\" } ] }\n", edge, disk, sync, line))}
}

// streams makes the centre's stream, and the edge's where NATS is the edge.
func streams(target string) nats.JetStreamContext {
	nc := must(nats.Connect("nats://" + centre))
	js := must(nc.JetStream())
	c := &nats.StreamConfig{Name: "SITES", Subjects: []string{"sites.>"}}
	if target != "hub-uplink" {
		at := must(must(nats.Connect("nats://" + edge)).JetStream())
		must(at.AddStream(&nats.StreamConfig{Name: "EDGE", Subjects: []string{"s.>"}}))
		c.Subjects = nil
		c.Sources = []*nats.StreamSource{{Name: "EDGE", External: &nats.ExternalStream{APIPrefix: "$JS.edge.API"}}}
	}
	must(js.AddStream(c))
	return js
}

// publishers connects the sensors. A publish returns when the edge has acknowledged
// the reading.
func publishers(target string) []func(topic string, n int) {
	list := make([]func(string, int), *sensors)
	for i := range list {
		if target == "hub-uplink" {
			c := must(client.Dial(context.Background(), client.Options{URL: "ws://" + edge + "/ws", Dev: fmt.Sprint("d", i), MaxBackoff: time.Second}))
			list[i] = func(topic string, n int) {
				for {
					if _, err := c.Publish(context.Background(), topic, client.Body{Enc: codec.JSON, Data: body(topic, n)}); err == nil {
						return
					}
				}
			}
			continue
		}
		nc := must(nats.Connect("nats://"+edge, nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})))
		js := must(nc.JetStream())
		list[i] = func(topic string, n int) {
			subject := strings.ReplaceAll(topic, "/", ".")
			for {
				if _, err := js.Publish(subject, body(topic, n), nats.MsgId(fmt.Sprint(topic, n)), nats.AckWait(3*time.Second)); err == nil {
					return
				}
			}
		}
	}
	return list
}

// body is a reading of 100 bytes.
func body(topic string, n int) []byte {
	b := fmt.Appendf(nil, `{"sensor":%q,"n":%d,"temp":23.41,"hum":51.20,"pad":"`, topic, n)
	return fmt.Appendf(b, "%s\"}", strings.Repeat("x", 98-len(b)))
}

// flow lets all sensors publish for a while, and returns how many readings that were
// once all are acknowledged.
func flow(publish []func(string, int), meanwhile func()) int {
	var wg sync.WaitGroup
	var count atomic.Int64
	begin := time.Now()
	for i, f := range publish {
		wg.Go(func() {
			topic := fmt.Sprintf("s/%06d", i)
			due := begin.Add(time.Duration(i) * 100 * time.Millisecond / time.Duration(len(publish)))
			for n := 0; due.Sub(begin).Seconds() < *seconds; n++ {
				time.Sleep(time.Until(due))
				due = due.Add(100 * time.Millisecond)
				wg.Go(func() { f(topic, n); count.Add(1) })
			}
		})
	}
	meanwhile()
	wg.Wait()
	return int(count.Load())
}

// arrived waits until the stream has so many readings, or none comes any more; it
// counts which it has and which twice, and how long that took.
func arrived(js nats.JetStreamContext, all int) (found, twice int, late time.Duration) {
	begin := time.Now()
	for have, last := uint64(0), begin; have < uint64(all) && time.Since(last) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		if n := must(js.StreamInfo("SITES")).State.Msgs; n > have {
			have, last, late = n, time.Now(), time.Since(begin)
		}
	}
	seen := map[string]bool{}
	sub := must(js.SubscribeSync(">", nats.OrderedConsumer(), nats.BindStream("SITES")))
	for left := must(js.StreamInfo("SITES")).State.Msgs; left > 0; left-- {
		m := must(sub.NextMsg(10 * time.Second))
		var v struct {
			Sensor string
			N      int
		}
		must(0, json.Unmarshal(m.Data, &v))
		k := fmt.Sprint(v.Sensor, " ", v.N)
		if seen[k] {
			twice++
		}
		seen[k] = true
	}
	return len(seen), twice, late
}

// process is a server bound to a core.
type process struct{ c *exec.Cmd }

func start(core string, command ...string) *process {
	c := exec.Command("taskset", append([]string{"-c", core}, command...)...)
	must(0, c.Start())
	return &process{c: c}
}

func (p *process) end() {
	_ = p.c.Process.Kill()
	_ = p.c.Wait()
}

// cpu are the seconds that its threads have run.
func (p *process) cpu() (s float64) {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.c.Process.Pid))
	for _, n := range names {
		var ns float64
		text, _ := os.ReadFile(n)
		_, _ = fmt.Sscan(string(text), &ns)
		s += ns / 1e9
	}
	return s
}

func (p *process) rss() (kib int64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.c.Process.Pid))
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	_, _ = fmt.Sscan(rest, &kib)
	return kib
}

func await(addr string) {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			log.Fatal(err)
		}
	}
}

func write(dir, name, text string) string {
	name = filepath.Join(dir, name)
	must(0, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// proxy is the line to the centre. What is under way when it is cut is lost.
type proxy struct {
	to    string
	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func (p *proxy) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s, err := net.Dial("tcp", p.to)
		p.mu.Lock()
		if err != nil || p.down {
			c.Close()
		} else {
			p.conns = append(p.conns, c, s)
			go func() { _, _ = io.Copy(c, s); c.Close() }()
			go func() { _, _ = io.Copy(s, c); s.Close() }()
		}
		p.mu.Unlock()
	}
}

func (p *proxy) cut(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// disk holds the edge's state: a directory, or for power cuts a file system whose
// device is a file, in which only what was synced or written back is.
type disk struct{ image, dir string }

func newDisk(dir string) *disk {
	d := &disk{image: filepath.Join(dir, "image"), dir: filepath.Join(dir, "disk")}
	must(0, os.Mkdir(d.dir, 0o700))
	if *work == "w8_power" {
		do("truncate", "-s", "512M", d.image)
		do("mkfs.ext4", "-q", d.image)
		do("mount", "-o", "loop", d.image, d.dir)
	}
	return d
}

// powerCut leaves what the device has.
func (d *disk) powerCut() {
	if *work != "w8_power" {
		return
	}
	do("cp", "--sparse=always", d.image, d.image+".cut")
	d.end()
	must(0, os.Rename(d.image+".cut", d.image))
	do("mount", "-o", "loop", d.image, d.dir)
}

func (d *disk) end() {
	if *work == "w8_power" {
		_ = syscall.Unmount(d.dir, 0)
	}
}

func do(command ...string) {
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		log.Fatalf("%v: %v\n%s", command, err, out)
	}
}
