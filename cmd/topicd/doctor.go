package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"topicd/discovery"
	"topicd/node/client"
	"topicd/node/client/show"
	"topicd/node/doctor"
	"topicd/node/front"
)

// doctorJob looks at a hub and the machine it runs on, as settings have it.
type doctorJob struct {
	app    *app
	set    *settings
	remote remote
	doctor.Report
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
		p := doctor.Running()
		set, _, err := a.effective(cmp.Or(file, p.Config()), true)
		if err != nil {
			return err
		}
		j.set = set
		away := j.remote.hub != "" || a.getenv("TOPICD_HUB") != ""
		j.reached(ctx)
		if !away {
			j.machine(p)
		}
		j.neighbours(ctx)
		j.Clock()
		return j.print(asJSON)
	}
	return c
}

func (j *doctorJob) print(asJSON bool) error {
	wrong := 0
	w := bufio.NewWriter(j.app.out)
	colour := show.IsTerminal(j.app.out) && j.app.getenv("NO_COLOR") == ""
	for _, f := range j.Found {
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
		if err := json.NewEncoder(w).Encode(j.Found); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil || wrong == 0 {
		return err
	}
	return fail(exitFailed, "", "%d of %d things are not as they should be", wrong, len(j.Found))
}

// reached asks the hub by HTTP and by a WebSocket: who lets one through and not the
// other is a proxy.
func (j *doctorJob) reached(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	at, secure, err := j.app.reach(ctx, &j.remote.target)
	if err != nil {
		j.Bad("hub", "`topicd serve` starts one, `systemctl status topicd` tells why it does not run", "none is reached: %v", err)
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
		j.OK("hub", "%s is ready and answers in %s", host, took.Round(10*time.Microsecond))
		j.hubClock(ctx, at.Hostname(), conn)
	case werr == nil:
		j.Bad("hub", "`topicd status` and the hub's log say more", "%s answers, but: %v", host, herr)
	case herr == nil:
		j.Bad("proxy", "let it pass Upgrade and Connection: nginx wants proxy_http_version 1.1 and proxy_set_header Upgrade $http_upgrade", "%s answers, but no WebSocket comes through: %v", host, werr)
	default:
		j.Bad("hub", "`systemctl status topicd` tells whether it runs; --hub names another, --token says who you are", "%v", werr)
	}
	if v := cmp.Or(j.app.getenv("HTTP_PROXY"), j.app.getenv("http_proxy")); v != "" && !strings.Contains(j.app.getenv("NO_PROXY")+j.app.getenv("no_proxy"), at.Hostname()) {
		j.OK("proxy", "topicd itself asks no proxy; curl and browsers here ask %s: have NO_PROXY name %s", v, at.Hostname())
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
		j.Bad("clock", "have both machines keep time: `timedatectl set-ntp true`", "the hub's differs from this machine's by %s", off.Round(time.Second))
	}
}

// machine tells whether what is to be served can be, with what it may take.
func (j *doctorJob) machine(p *doctor.Process) {
	for _, text := range append(append([]string(nil), j.set.listen...), j.set.tlsListen...) {
		if addr, _, err := front.Split(text, dialectNames()); err != nil {
			j.Bad("port", "mend --listen", "%v", err)
		} else {
			j.Port(p, addr)
		}
	}
	want := int64(8 << 20)
	if j.set.wantsDurable() {
		want += int64(j.set.store.bytes)
	}
	j.Disk(j.set.state, want)
	j.Memory(p, (&server{set: j.set}).worst().total(), memoryMax(j.set))
	j.Files(p, j.set.sessions)
}

// neighbours tells who says on the network to be a hub.
func (j *doctorJob) neighbours(ctx context.Context) {
	if strings.EqualFold(j.app.getenv("TOPICD_MDNS"), "off") {
		j.OK("mdns", "not asked: TOPICD_MDNS=off")
		return
	}
	hubs, err := j.app.browse(ctx, discovery.BrowseOptions{Ifaces: j.set.iface, Timeout: 2 * time.Second})
	var names []string
	for _, h := range hubs {
		names = append(names, discovery.Display(h.Name)+" at "+h.URL())
	}
	switch {
	case err != nil:
		j.Bad("mdns", "multicast must be allowed on the interface; --iface names one", "%v", err)
	case len(hubs) == 0 && bool(j.set.mdns):
		j.Bad("mdns", "open UDP 5353 in the firewall; guest Wi-Fi keeps devices apart; clients find the hub by --hub ADDRESS all the same", "nobody answers")
	case len(hubs) == 0:
		j.OK("mdns", "nobody answers, and this hub is not to")
	case len(hubs) > 1:
		j.OK("mdns", "%d hubs answer, clients have to choose one by --hub: %s", len(hubs), strings.Join(names, ", "))
	default:
		j.OK("mdns", "%s answers", names[0])
	}
}
