package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"topicd/discovery"
	"topicd/node/client"
	"topicd/node/client/show"
	"topicd/node/front"
)

// finding is what doctor has to say of one thing.
type finding struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
	Do   string `json:"do,omitempty"` // what to do
}

// doctorJob looks at a hub and the machine it runs on, as settings have it.
type doctorJob struct {
	app    *app
	set    *settings
	remote remote
	found  []finding
}

func (a *app) doctor() *command {
	j := doctorJob{app: a}
	var file string
	var asJSON bool
	c := newCommand("doctor", "", "Look for what keeps the hub from working well, and say what to do")
	c.long = `Look at this machine and its hub: ports, WebSockets through whatever stands
between, mDNS and who else answers, clock, disk, memory and files against what the
settings promise. The exit code is 1 when something is wrong. With --hub it looks
at that hub's side only.`
	c.example = "  sudo topicd doctor\n  topicd doctor --hub wss://hub.example.org --json"
	j.remote.addFlags(c.flags)
	c.flags.StringVar(&file, "config", "", "configuration `FILE` of this machine's hub (default that of the running one, else STATE/topicd.toml)")
	c.flags.BoolVar(&asJSON, "json", false, "JSON, for scripts")
	c.run = func(ctx context.Context, _ []string) error {
		p := runningHub()
		set, _, err := a.effective(cmp.Or(file, p.config()), true)
		if err != nil {
			return err
		}
		j.set = set
		away := j.remote.hub != "" || a.getenv("TOPICD_HUB") != ""
		j.reached(ctx)
		if !away {
			j.ports(p)
			j.disk()
			j.memory(p)
			j.files(p)
		}
		j.neighbours(ctx)
		j.clock()
		return j.print(asJSON)
	}
	return c
}

func (j *doctorJob) ok(what, format string, args ...any) {
	j.found = append(j.found, finding{What: what, OK: true, Text: fmt.Sprintf(format, args...)})
}

func (j *doctorJob) bad(what, do, format string, args ...any) {
	j.found = append(j.found, finding{What: what, Text: fmt.Sprintf(format, args...), Do: do})
}

func (j *doctorJob) print(asJSON bool) error {
	wrong := 0
	w := bufio.NewWriter(j.app.out)
	colour := show.IsTerminal(j.app.out) && j.app.getenv("NO_COLOR") == ""
	for _, f := range j.found {
		mark, paint := "ok ", "\x1b[32m"
		if !f.OK {
			mark, paint, wrong = "bad", "\x1b[31m", wrong+1
		}
		if colour {
			mark = paint + mark + "\x1b[0m"
		}
		if !asJSON {
			fmt.Fprintf(w, "%s  %-9s %s\n", mark, f.What, show.Clean(f.Text))
			if f.Do != "" {
				fmt.Fprintf(w, "               → %s\n", f.Do)
			}
		}
	}
	if asJSON {
		if err := json.NewEncoder(w).Encode(j.found); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil || wrong == 0 {
		return err
	}
	return fail(exitFailed, "", "%d of %d things are not as they should be", wrong, len(j.found))
}

// reached asks the hub by HTTP and by a WebSocket: who lets one through and not the
// other is a proxy.
func (j *doctorJob) reached(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	at, secure, err := j.app.reach(ctx, &j.remote.target)
	if err != nil {
		j.bad("hub", "`topicd serve` starts one, `systemctl status topicd` tells why it does not run", "none is reached: %v", err)
		return
	}
	host := client.Shown(at.String())
	var said struct{ Status string }
	herr := client.Ask(ctx, at, cmp.Or(j.remote.token, j.app.getenv("TOPICD_TOKEN")), secure, http.MethodGet, "/readyz", nil, &said)
	conn, werr := j.app.dial(ctx, &j.remote)
	if werr == nil {
		defer conn.Close()
	}
	switch {
	case herr == nil && werr == nil:
		took, _ := conn.Ping(ctx)
		j.ok("hub", "%s is ready and answers in %s", host, took.Round(10*time.Microsecond))
		j.hubClock(ctx, at.Hostname(), conn)
	case werr == nil:
		j.bad("hub", "`topicd status` and the hub's log say more", "%s answers, but: %v", host, herr)
	case herr == nil:
		j.bad("proxy", "let it pass Upgrade and Connection: nginx wants proxy_http_version 1.1 and proxy_set_header Upgrade $http_upgrade", "%s answers, but no WebSocket comes through: %v", host, werr)
	default:
		j.bad("hub", "`systemctl status topicd` tells whether it runs; --hub names another, --token says who you are", "%v", werr)
	}
	if v := cmp.Or(j.app.getenv("HTTP_PROXY"), j.app.getenv("http_proxy")); v != "" && !strings.Contains(j.app.getenv("NO_PROXY")+j.app.getenv("no_proxy"), at.Hostname()) {
		j.ok("proxy", "topicd itself asks no proxy; curl and browsers here ask %s: have NO_PROXY name %s", v, at.Hostname())
	}
}

// hubClock compares the hub's clock with this machine's.
func (j *doctorJob) hubClock(ctx context.Context, host string, conn *client.Client) {
	if isHere(host) {
		return
	}
	var newest int64
	began := time.Now()
	_ = conn.Get(ctx, "$sys/stats", client.GetOptions{}, func(m client.Message) error { newest = m.TS; return nil })
	if off := time.UnixMilli(newest).Sub(began); newest > 0 && off.Abs() > 15*time.Second { // it is published every 10 s
		j.bad("clock", "have both machines keep time: `timedatectl set-ntp true`", "the hub's differs from this machine's by %s", off.Round(time.Second))
	}
}

// ports tells whether what is to be served can be.
func (j *doctorJob) ports(p *runningProcess) {
	for _, text := range append(append([]string(nil), j.set.listen...), j.set.tlsListen...) {
		addr, _, err := front.Split(text, dialectNames())
		if err != nil {
			j.bad("port", "mend --listen", "%v", err)
			continue
		}
		l, err := net.Listen("tcp", addr)
		switch {
		case err == nil:
			l.Close()
			if p != nil {
				j.bad("port", "a change of the configuration wants a restart", "the hub runs, but does not serve on %s", addr)
			} else {
				j.ok("port", "%s is free", addr)
			}
		case errors.Is(err, syscall.EADDRINUSE) && p != nil && p.listens(addr):
			j.ok("port", "%s is taken, by the hub that runs as process %d", addr, p.pid)
		case errors.Is(err, syscall.EADDRINUSE):
			j.bad("port", "`ss -ltnp` shows by whom; choose another with --listen", "%s is taken by another program", addr)
		default:
			j.bad("port", "choose another with --listen; below 1024 CAP_NET_BIND_SERVICE is needed", "%v", err)
		}
	}
}

// neighbours tells who says on the network to be a hub.
func (j *doctorJob) neighbours(ctx context.Context) {
	if strings.EqualFold(j.app.getenv("TOPICD_MDNS"), "off") {
		j.ok("mdns", "not asked: TOPICD_MDNS=off")
		return
	}
	hubs, err := j.app.browse(ctx, discovery.BrowseOptions{Ifaces: j.set.iface, Timeout: 2 * time.Second})
	var names []string
	for _, h := range hubs {
		names = append(names, discovery.Display(h.Name)+" at "+h.URL())
	}
	switch {
	case err != nil:
		j.bad("mdns", "multicast must be allowed on the interface; --iface names one", "%v", err)
	case len(hubs) == 0 && bool(j.set.mdns):
		j.bad("mdns", "open UDP 5353 in the firewall; guest Wi-Fi keeps devices apart; clients find the hub by --hub ADDRESS all the same", "nobody answers")
	case len(hubs) == 0:
		j.ok("mdns", "nobody answers, and this hub is not to")
	case len(hubs) > 1:
		j.ok("mdns", "%d hubs answer, clients have to choose one by --hub: %s", len(hubs), strings.Join(names, ", "))
	default:
		j.ok("mdns", "%s answers", names[0])
	}
}

// clock: a board without a battery boots in 1970.
func (j *doctorJob) clock() {
	now := time.Now()
	switch {
	case now.Year() < 2025:
		j.bad("clock", "have it kept by the network: `timedatectl set-ntp true`; readings get times of 1970 until then", "it says %s", now.Format(time.DateTime))
	case !synchronized():
		j.bad("clock", "`timedatectl set-ntp true`, or chrony", "nobody keeps it: %s drifts", now.Format(time.DateTime))
	default:
		j.ok("clock", "%s, kept by the network", now.Format(time.DateTime))
	}
}

func (j *doctorJob) disk() {
	dir := j.set.state
	for dir != "/" && dir != "." {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	free, err := freeBytes(dir)
	want := int64(8 << 20)
	if j.set.wantsDurable() {
		want += int64(j.set.store.bytes)
	}
	switch {
	case err != nil:
		j.bad("disk", "", "%s: %v", dir, err)
	case free < want:
		j.bad("disk", "make room, or set [store] bytes lower", "%s has %s left, the settings may want %s", dir, show.Bytes(free), show.Bytes(want))
	default:
		j.ok("disk", "%s has %s left, the settings may want %s", dir, show.Bytes(free), show.Bytes(want))
	}
}

func (j *doctorJob) memory(p *runningProcess) {
	worst := (&server{set: j.set}).worst().total()
	most, where := p.memoryMax()
	there := procKB("/proc/meminfo", "MemAvailable:") << 10
	switch {
	case most > 0 && most < worst:
		j.bad("memory", fmt.Sprintf("MemoryMax=%dM in `systemctl edit topicd`, or lower limits (`topicd config show`)", memoryMax(j.set)), "the settings may take %s, %s allows %s", show.Bytes(worst), where, show.Bytes(most))
	case there > 0 && there+p.resident() < worst:
		j.bad("memory", "lower --memory or [limits]; `topicd config show` says what they come to", "the settings may take %s, the machine has %s left", show.Bytes(worst), show.Bytes(there))
	default:
		j.ok("memory", "the settings may take %s, the machine has %s left", show.Bytes(worst), show.Bytes(there+p.resident()))
	}
}

// files: each connection is one, and the store has some.
func (j *doctorJob) files(p *runningProcess) {
	want := int64(j.set.sessions) + 64 + 64
	have := p.files()
	if have < want {
		j.bad("files", "LimitNOFILE="+strconv.FormatInt(want, 10)+" in the unit, or `ulimit -n`", "%d may be open, %d connections want %d", have, j.set.sessions, want)
		return
	}
	j.ok("files", "%d may be open, %d connections want %d", have, j.set.sessions, want)
}
