package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"topicd/codec"
)

// Report is what came of a run. Times in JSON have their unit in their name.
type Report struct {
	Hub         Hub      `json:"hub"`
	Load        Load     `json:"load"`
	Seconds     float64  `json:"seconds"` // measured
	Interrupted bool     `json:"interrupted"`
	Published   Flow     `json:"published"` // readings
	Delivered   Flow     `json:"delivered"` // readings times who heard them
	Latency     *Latency `json:"latency"`   // null: nothing was delivered
	Loss        Loss     `json:"loss"`
	Errors      []Fault  `json:"errors"`
	Server      *Server  `json:"server"` // null: not on this machine, or not to be seen
	Client      Client   `json:"client"`
	Warnings    []string `json:"warnings"`
}

// Hub is who was loaded.
type Hub struct {
	URL     string `json:"url"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Local   bool   `json:"local"` // on this machine
}

// Load is what it was loaded with.
type Load struct {
	Publishers  int      `json:"publishers"`
	Subscribers int      `json:"subscribers"`
	Topics      int      `json:"topics"`
	Rate        float64  `json:"rate"`   // readings per second; 0 = closed loop
	Window      int      `json:"window"` // of the closed loop; 0 = none
	Size        int      `json:"size"`   // bytes
	Encoding    string   `json:"encoding"`
	Hear        []string `json:"hear"`
}

// Flow is a number of readings in the time measured.
type Flow struct {
	Count     int64   `json:"count"`
	PerSecond float64 `json:"per_second"`
}

// Latency is from before the write to after the read, in microseconds.
type Latency struct {
	P50  int64   `json:"p50_us"`
	P90  int64   `json:"p90_us"`
	P99  int64   `json:"p99_us"`
	P999 int64   `json:"p99_9_us"`
	Max  int64   `json:"max_us"`
	Mean float64 `json:"mean_us"`
}

// Loss is of the whole run, warm-up included.
type Loss struct {
	Refused     int64 `json:"refused"`     // readings that the hub did not take, see Errors
	Dropped     int64 `json:"dropped"`     // deliveries that the hub said it dropped
	Unexplained int64 `json:"unexplained"` // deliveries that did not come, and nobody said why
	Duplicates  int64 `json:"duplicates"`
}

// Fault is something that went wrong. Code is the hub's, 0 without one.
type Fault struct {
	Code  int    `json:"code"`
	Count int64  `json:"count"`
	Msg   string `json:"msg"` // of the first
	Hint  string `json:"hint,omitempty"`
}

// Server is the hub's process.
type Server struct {
	PID           int     `json:"pid"`
	Name          string  `json:"name"`
	CPU           float64 `json:"cpu"` // seconds of CPU per second: 1 = one core
	PerPublishUS  float64 `json:"cpu_per_published_us"`
	PerDeliveryUS float64 `json:"cpu_per_delivered_us"` // 0: nothing was delivered
	RSS           int64   `json:"rss_bytes"`            // at the end
}

// Client is this process.
type Client struct {
	CPU    float64 `json:"cpu"`     // cores
	Share  float64 `json:"share"`   // of this machine's cores
	LateUS int64   `json:"late_us"` // behind its schedule at most
	Limit  bool    `json:"limit"`   // it, not the hub, set the pace
}

// OK reports whether nothing was lost without explanation.
func (r *Report) OK() bool { return r.Loss.Unexplained == 0 }

// welcome reads who the hub is, and whether it will take the readings.
func (h *Hub) welcome(text []byte, o *Options) error {
	var w struct {
		Hub      string `json:"hub"`
		Version  string `json:"version"`
		MaxFrame int    `json:"maxFrame"`
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return fmt.Errorf("the hub's welcome makes no sense: %w", err)
	}
	h.Name, h.Version = w.Hub, w.Version
	const envelope = 128
	if w.MaxFrame > 0 && o.Size+envelope > w.MaxFrame {
		return codec.Errorf(codec.CodeTooLarge, "readings of %d bytes do not fit the hub's largest frame, %d bytes", o.Size, w.MaxFrame)
	}
	return nil
}

func (r *run) report() *Report {
	o := r.o
	seconds := max(float64(r.to.at-r.from.at)/1e9, 1e-9)
	flow := func(n int64) Flow { return Flow{n, float64(n) / seconds} }
	rep := &Report{
		Hub: r.hub, Seconds: seconds,
		Load: Load{
			Publishers: o.Publishers, Subscribers: o.Subscribers, Topics: o.Topics,
			Rate: o.Rate, Window: o.Window, Size: o.Size, Encoding: o.Encoding.String(),
		},
		Published: flow(r.to.sent - r.from.sent - (r.to.refused - r.from.refused)),
		Delivered: flow(r.to.delivered - r.from.delivered),
		Latency:   r.latency(),
		Loss:      Loss{r.final.refused, r.final.dropped, max(0, r.final.missing(len(r.subs))), r.final.more},
		Errors:    r.errors.all(),
		Warnings:  []string{},
	}
	if o.Rate > 0 {
		rep.Load.Window = 0
	}
	for _, e := range o.Hear {
		rep.Load.Hear = append(rep.Load.Hear, e.String())
	}
	rep.Server = r.serverReport(rep)
	rep.Client = r.clientReport(seconds)
	r.judge(rep)
	return rep
}

func (r *run) latency() *Latency {
	if len(r.shards) == 0 {
		return nil
	}
	h := hdrhistogram.New(1, longest, 3)
	for _, t := range r.shards {
		t.mu.Lock()
		h.Merge(t.h)
		t.mu.Unlock()
	}
	if h.TotalCount() == 0 {
		return nil
	}
	at := h.ValueAtQuantile
	return &Latency{at(50), at(90), at(99), at(99.9), h.Max(), h.Mean()}
}

func (r *run) serverReport(rep *Report) *Server {
	a, b := r.from.server, r.to.server
	if !a.ok || !b.ok {
		return nil
	}
	cpu := b.cpu - a.cpu
	s := &Server{PID: r.server.pid, Name: r.server.name(), CPU: cpu / rep.Seconds, RSS: b.rss}
	if n := rep.Published.Count; n > 0 {
		s.PerPublishUS = cpu * 1e6 / float64(n)
	}
	if n := rep.Delivered.Count; n > 0 {
		s.PerDeliveryUS = cpu * 1e6 / float64(n)
	}
	return s
}

func (r *run) clientReport(seconds float64) Client {
	c := Client{CPU: (r.to.own.cpu - r.from.own.cpu) / seconds}
	c.Share = c.CPU / float64(runtime.NumCPU())
	for _, w := range r.workers {
		c.LateUS = max(c.LateUS, w.late.Load()/1000)
	}
	return c
}

// judge says what the figures do not say by themselves.
func (r *run) judge(rep *Report) {
	warn := func(format string, a ...any) { rep.Warnings = append(rep.Warnings, fmt.Sprintf(format, a...)) }
	if rep.Server != nil && r.server.pid == os.Getpid() {
		rep.Server = nil // its CPU cannot be told from ours
	}
	cores := float64(runtime.NumCPU())
	behind := r.o.Rate > 0 && rep.Published.PerSecond+float64(rep.Loss.Refused)/rep.Seconds < 0.98*r.o.Rate
	hub := 0.0
	if rep.Server != nil {
		hub = rep.Server.CPU
	}
	switch c := &rep.Client; {
	case c.Share > 0.9,
		hub > 0 && c.CPU > hub && c.CPU+hub > 0.85*cores && (r.o.Rate == 0 || behind):
		c.Limit = true
		warn("this program was the limit: it took %.2f of %d cores, the hub %.2f; the hub can do more", c.CPU, runtime.NumCPU(), hub)
	case behind:
		warn("%.0f readings a second were wanted, %.0f were sent", r.o.Rate, rep.Published.PerSecond)
	}
	if !rep.Hub.Local && rep.Server == nil {
		warn("the hub is on another machine: its CPU is not known, and latencies include the network; they are right, as publishers and subscribers share this machine's clock")
	}
	if rep.Server != nil && rep.Seconds*rep.Server.CPU < 0.2 {
		warn("the hub used %.2f s of CPU, which the kernel counts in steps of 0.01 s: measure longer", rep.Seconds*rep.Server.CPU)
	}
	if rep.Seconds < 1 {
		warn("measured for %v only", time.Duration(rep.Seconds*1e9).Round(time.Millisecond))
	}
	if r.o.Rate == 0 && rep.Latency != nil {
		warn("in a closed loop latency is mostly the wait in the window of %d; use --rate to measure latency", r.o.Window)
	}
}
