package main

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"topicd/node/client"
)

func (a *app) health() *command {
	var r target
	var within time.Duration
	var asJSON bool
	c := newCommand("health", "", "Ask the hub whether it serves: exit code 0, or 1 and why not")
	c.long = `Ask the hub whether readings can be published. It is what a container without a
shell and without curl runs as its health check. It asks this machine's hub, or
that of --hub, and nobody else.`
	c.flags.StringVar(&r.hub, "hub", "", "`HUB`: a host or ws://gateway:22345 (env TOPICD_HUB; default this machine's)")
	r.addPin(c.flags)
	c.flags.Var(span{&within}, "timeout", "time for the answer (default 5s)")
	c.flags.BoolVar(&asJSON, "json", false, "one JSON object")
	c.run = func(ctx context.Context, _ []string) error {
		port := a.getenv("PORT")
		r.hub = cmp.Or(r.hub, a.getenv("TOPICD_HUB"), "127.0.0.1:"+cmp.Or(port, client.HubPort))
		at, secure, err := a.reach(ctx, &r)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, cmp.Or(within, 5*time.Second))
		defer cancel()
		var said struct {
			Status string `json:"status"`
		}
		if err := client.Ask(ctx, at, "", secure, http.MethodGet, "/readyz", nil, &said); err != nil {
			return fail(exitFailed, "", "%w", err)
		}
		return a.print(asJSON, said, said.Status)
	}
	return c
}
