package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"topicd/discovery"
	"topicd/node/client"
	"topicd/node/client/show"
)

func (a *app) discover() *command {
	var o discovery.BrowseOptions
	var asJSON, watch bool
	c := newCommand("discover", "", "Find the hubs on the local network")
	c.long = `Find the hubs that tell the local network where they are (mDNS). What is found
is hearsay: anyone on the network can claim to be a hub.`
	c.example = "  topicd discover\n  topicd discover --watch\n  topicd sub --hub kitchen '#'"
	c.flags.BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.flags.BoolVar(&watch, "watch", false, "go on looking and print the list whenever it changes")
	c.flags.DurationVar(&o.Timeout, "timeout", 2*time.Second, "how long to wait for answers; sleepy Wi-Fi wants 5s")
	c.flags.Var(&list{v: &o.Ifaces}, "iface", "network interface `NAME`, repeatable (default all that look like a LAN)")
	c.run = func(ctx context.Context, _ []string) error {
		if watch {
			return a.watchHubs(ctx, o, asJSON)
		}
		hubs, err := a.browse(ctx, o)
		if err != nil {
			return err
		}
		if len(hubs) == 0 && !asJSON {
			return errNoHub
		}
		return a.printHubs(hubs, asJSON)
	}
	return c
}

var errNoHub = fail(exitUnreachable, "is one running on this network with --mdns=on? Networks that keep devices apart (guest Wi-Fi) hide it: name it with --hub ADDRESS then", "no hub found")

// browse asks the local network, unless TOPICD_MDNS=off forbids it.
func (a *app) browse(ctx context.Context, o discovery.BrowseOptions) ([]discovery.Hub, error) {
	if strings.EqualFold(a.getenv("TOPICD_MDNS"), "off") {
		return nil, nil
	}
	hubs, err := discovery.Browse(ctx, o)
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, fail(exitUnreachable, "name the hub with --hub ADDRESS", "cannot look for hubs: %w", err)
	}
	return hubs, err
}

func (a *app) watchHubs(ctx context.Context, o discovery.BrowseOptions, asJSON bool) error {
	last := ""
	var failed error
	discovery.Watch(ctx, o, 3*time.Second, func(hubs []discovery.Hub, err error) {
		if err != nil {
			a.note("%v", err)
			return
		}
		var key strings.Builder
		for _, h := range hubs {
			fmt.Fprint(&key, h.Name, h.Addrs, h.Version, h.TLS, h.Auth)
		}
		if key.String() == last && last != "" {
			return
		}
		last = key.String()
		if len(hubs) == 0 {
			a.note("no hub so far, still looking")
			return
		}
		failed = errors.Join(failed, a.printHubs(hubs, asJSON))
	})
	return errors.Join(failed, ctx.Err())
}

func (a *app) printHubs(hubs []discovery.Hub, asJSON bool) error {
	w := bufio.NewWriter(a.out)
	if asJSON {
		for _, h := range hubs {
			row := struct {
				discovery.Hub
				URL string `json:"url"`
			}{h, h.URL()}
			if err := json.NewEncoder(w).Encode(row); err != nil {
				return err
			}
		}
		return w.Flush()
	}
	t := show.Table{Right: []bool{false, false, false, false, false, true}}
	t.Row("NAME", "ADDRESS", "VERSION", "TLS", "AUTH", "AGE")
	for _, h := range hubs {
		tls := "no"
		if h.TLS {
			tls = "yes"
		}
		t.Row(discovery.Display(h.Name), h.URL(), discovery.Display(h.Version), tls, discovery.Display(h.Auth), show.Age(time.Since(h.Seen)))
	}
	t.Print(w)
	return w.Flush()
}

// findHub is the hub's address when none was given, or only its name: the hub
// on this machine if there is one, else the only one on the network.
func (a *app) findHub(ctx context.Context, name string) (string, error) {
	if name == "" && client.Listening(ctx, "127.0.0.1:"+client.HubPort) {
		return defaultHub, nil
	}
	hubs, err := a.browse(ctx, discovery.BrowseOptions{Name: name})
	if err != nil && name == "" {
		return "", err
	}
	h, err := discovery.Pick(hubs, name)
	switch {
	case err == nil:
		a.note("using the hub %s at %s", discovery.Display(h.Name), h.URL())
		return h.URL(), nil
	case name != "": // not a hub that is found: the name of a host, then
		return client.HubURL(name)
	case errors.Is(err, discovery.ErrSeveral):
		var names []string
		for _, h := range hubs {
			names = append(names, fmt.Sprintf("%q at %s", discovery.Display(h.Name), h.URL()))
		}
		return "", fail(exitUsage, "choose one with --hub NAME", "there are %d hubs: %s", len(hubs), strings.Join(names, ", "))
	default:
		return "", fail(exitUnreachable, "`topicd serve` starts one here; --hub ADDRESS names one elsewhere", "no hub on this machine and none found on the network")
	}
}
