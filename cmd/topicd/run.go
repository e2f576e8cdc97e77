package main

import (
	"context"
	"io"
	"os"
	"time"

	"topicd/cmd/internal/command"
	"topicd/node"
)

// version is set by the Makefile: -ldflags "-X main.version=…".
var version = "dev"

// app is what a command needs of its surroundings. Tests have their own.
type app struct {
	command.Env
	etc string // the configuration that a package brings

	clock node.Clock    // of the hub; nil: the machine's
	dead  time.Duration // by that clock, without a sign of life; 0: link's
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	a := &app{Env: command.Env{In: in, Out: out, Err: errOut, Getenv: os.Getenv, Environ: os.Environ()}, etc: "/etc/topicd/topicd.toml"}
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	return a.Exit(a.commands().Execute(ctx, args))
}

func (a *app) commands() *command.Table {
	return command.NewTable(a.Out,
		a.serve, a.pub, a.sub, a.get, a.list, a.token, a.join, a.discover, a.bench, a.sense, a.importTopics, a.importMosquitto,
		a.record, a.replay, a.top, a.doctor, a.status, a.logStore, a.backup, a.restore, a.configuration, a.service, a.health,
		a.version,
	)
}
