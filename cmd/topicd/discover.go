package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/cmd/internal/reach"
	"topicd/discovery"
	"topicd/node/client/show"
)

func (a *app) discover() *command.Command {
	var o discovery.BrowseOptions
	var asJSON, watch bool
	c := command.New("discover", "", "Find the hubs on the local network")
	c.Long = `Find the hubs that tell the local network where they are (mDNS). What is found
is hearsay: anyone on the network can claim to be a hub.`
	c.Example = "  topicd discover\n  topicd discover --watch\n  topicd sub --hub kitchen '#'"
	c.Flags.BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.Flags.BoolVar(&watch, "watch", false, "go on looking and print the list whenever it changes")
	o.Timeout = 2 * time.Second
	c.Flags.Var(flags.Span(&o.Timeout), "timeout", "how long to wait for answers; sleepy Wi-Fi wants 5s")
	c.Flags.Var(&flags.List{V: &o.Ifaces}, "iface", "network interface `NAME`, repeatable (default all that look like a LAN)")
	c.Run = func(ctx context.Context, _ []string) error {
		if watch {
			return a.watchHubs(ctx, o, asJSON)
		}
		hubs, err := reach.Browse(ctx, &a.Env, o)
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

var errNoHub = command.Fail(command.Unreachable, "is one running on this network with --mdns=on? Networks that keep devices apart (guest Wi-Fi) hide it: name it with --hub ADDRESS then", "no hub found")

func (a *app) watchHubs(ctx context.Context, o discovery.BrowseOptions, asJSON bool) error {
	last := ""
	var failed error
	discovery.Watch(ctx, o, 3*time.Second, func(hubs []discovery.Hub, err error) {
		if err != nil {
			a.Note("%v", err)
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
			a.Note("no hub so far, still looking")
			return
		}
		failed = errors.Join(failed, a.printHubs(hubs, asJSON))
	})
	return errors.Join(failed, ctx.Err())
}

func (a *app) printHubs(hubs []discovery.Hub, asJSON bool) error {
	l := a.List(asJSON, "NAME", "ADDRESS", "VERSION", "TLS", "AUTH", ">AGE")
	for _, h := range hubs {
		row := struct {
			discovery.Hub
			URL string `json:"url"`
		}{h, h.URL()}
		tls := "no"
		if h.TLS {
			tls = "yes"
		}
		l.Add(row, discovery.Display(h.Name), h.URL(), discovery.Display(h.Version), tls, discovery.Display(h.Auth), show.Age(time.Since(h.Seen)))
	}
	return l.End()
}
