package main

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/reach"
	"topicd/cmd/internal/settings"
	"topicd/discovery"
	"topicd/node/client"
	"topicd/node/client/show"
	"topicd/node/doctor"
	"topicd/node/front"
)

// doctorJob looks at a hub and the machine it runs on, as settings have it.
type doctorJob struct {
	app    *app
	set    *settings.Settings
	remote reach.Remote
	doctor.Report
}

func (a *app) doctor() *command.Command {
	j := doctorJob{app: a}
	var file string
	var asJSON bool
	c := command.New("doctor", "", "Look for what keeps the hub from working well, and say what to do")
	c.Long = `Look at this machine and its hub: ports, WebSockets through whatever stands
between, mDNS and who else answers, clock, disk, memory and files against what the
settings promise. The exit code is 1 when something is wrong. With --hub it looks
at that hub's side only.`
	c.Example = "  sudo topicd doctor\n  topicd doctor --hub wss://hub.example.org --json"
	j.remote.AddFlags(&a.Env, c.Flags)
	c.Flags.StringVar(&file, "config", "", "configuration `FILE` of this machine's hub (default that of the running one, else the package's in /etc/topicd, else STATE/topicd.toml)")
	c.Flags.BoolVar(&asJSON, "json", false, "JSON, for scripts")
	c.Run = func(ctx context.Context, _ []string) error {
		p := doctor.Running()
		file = cmp.Or(file, p.Config())
		if p == nil {
			file = cmp.Or(file, a.packaged())
		}
		set := newSettings()
		if _, err := set.Effective(file, a.Getenv); err != nil {
			return err
		}
		j.set = set
		away := j.remote.Hub != "" || a.Getenv("TOPICD_HUB") != ""
		j.reached(ctx)
		if !away {
			j.machine(p)
		}
		if strings.EqualFold(a.Getenv("TOPICD_MDNS"), "off") {
			j.OK("mdns", "not asked: TOPICD_MDNS=off")
		} else {
			hubs, err := reach.Browse(ctx, &a.Env, discovery.BrowseOptions{Ifaces: set.Ifaces, Timeout: 2 * time.Second})
			j.Neighbours(hubs, err, bool(set.MDNS))
		}
		j.Clock()
		wrong, err := j.Print(a.Out, asJSON, show.IsTerminal(a.Out) && a.Getenv("NO_COLOR") == "")
		if err != nil || wrong == 0 {
			return err
		}
		return command.Fail(command.Failed, "", "%d of %d things are not as they should be", wrong, len(j.Found))
	}
	return c
}

// reached looks at the hub that the flags name.
func (j *doctorJob) reached(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	at, secure, err := j.remote.At(ctx)
	if err != nil {
		j.Bad("hub", "`topicd serve` starts one, `systemctl status topicd` tells why it does not run", "none is reached: %v", err)
		return
	}
	var said struct{ Status string }
	herr := client.Ask(ctx, at, j.remote.SetToken(), secure, http.MethodGet, "/readyz", nil, &said)
	conn, werr := j.remote.Dial(ctx)
	j.Reached(ctx, client.Shown(at.String()), herr, conn, werr)
	if werr == nil {
		defer conn.Close()
		if herr == nil && !reach.IsHere(at.Hostname()) {
			j.HubClock(ctx, conn)
		}
	}
	get := j.app.Getenv
	if v := cmp.Or(get("HTTP_PROXY"), get("http_proxy")); v != "" && !strings.Contains(get("NO_PROXY")+get("no_proxy"), at.Hostname()) {
		j.OK("proxy", "topicd itself asks no proxy; curl and browsers here ask %s: have NO_PROXY name %s", v, at.Hostname())
	}
}

// machine tells whether what is to be served can be, with what it may take.
func (j *doctorJob) machine(p *doctor.Process) {
	for _, text := range slices.Concat(j.set.Listen, j.set.TLSListen) {
		if addr, _, err := front.Split(text, dialectNames()); err != nil {
			j.Bad("port", "mend --listen", "%v", err)
		} else {
			j.Port(p, addr)
		}
	}
	want := int64(8 << 20)
	if j.set.WantsDurable() {
		want += j.set.Store.Bytes
	}
	j.Disk(j.set.State, want)
	j.Memory(p, j.set.Worst().Total(), j.set.MemoryMax())
	j.Files(p, j.set.Sessions)
}
