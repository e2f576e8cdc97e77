package main

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/cmd/internal/reach"
	"topicd/node/client"
)

func (a *app) health() *command.Command {
	var r reach.Target
	var within time.Duration
	var asJSON bool
	c := command.New("health", "", "Ask the hub whether it serves: exit code 0, or 1 and why not")
	c.Long = `Ask the hub whether readings can be published. It is what a container without a
shell and without curl runs as its health check. It asks this machine's hub, or
that of --hub, and nobody else.`
	r.AddFlags(&a.Env, c.Flags, "a host or ws://gateway:22345 (env TOPICD_HUB; default this machine's)")
	c.Flags.Var(flags.Span(&within), "timeout", "time for the answer (default 5s)")
	c.Flags.BoolVar(&asJSON, "json", false, "one JSON object")
	c.Run = func(ctx context.Context, _ []string) error {
		port := a.Getenv("PORT")
		r.Hub = cmp.Or(r.Hub, a.Getenv("TOPICD_HUB"), "127.0.0.1:"+cmp.Or(port, client.HubPort))
		at, secure, err := r.At(ctx)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, cmp.Or(within, 5*time.Second))
		defer cancel()
		var said struct {
			Status string `json:"status"`
		}
		if err := client.Ask(ctx, at, "", secure, http.MethodGet, "/readyz", nil, &said); err != nil {
			return command.Fail(command.Failed, "", "%w", err)
		}
		return a.Print(asJSON, said, said.Status)
	}
	return c
}
