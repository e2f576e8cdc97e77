package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/node/client/show"
)

func (a *app) configuration() *command.Command {
	var file string
	var asJSON, all bool
	c := command.New("config", "check|show", "Check the configuration, or show which settings hold and who set them")
	c.Long = `check reads the environment and the configuration file as serve would, and ends
with 2 and the line where something is wrong. show prints what then holds, with
who said so, and the memory that it may take; without --all only what is not the
default. Neither writes anything.`
	c.Example = "  topicd config check && sudo systemctl restart topicd\n  topicd config show --all --json"
	c.Min, c.Max, c.Words = 1, 1, []string{"check", "show"}
	c.Flags.StringVar(&file, "config", "", "configuration `FILE` (default the package's in /etc/topicd, else STATE/topicd.toml)")
	c.Flags.BoolVar(&all, "all", false, "defaults too")
	c.Flags.BoolVar(&asJSON, "json", false, "one JSON object")
	c.Run = func(_ context.Context, args []string) error {
		set, list, err := a.effective(cmp.Or(file, a.packaged()), true)
		if err != nil {
			return err
		}
		names, near := set.strangers(a.Environ)
		for i, name := range names {
			a.Note("%s is no setting; the nearest is %s", name, near[i])
		}
		if !all {
			list = slices.DeleteFunc(list, func(s flags.Setting) bool { return s.From == "default" })
		}
		return a.showConfig(set, list, args[0] == "check", asJSON)
	}
	return c
}

// packaged is the configuration of the package's service, "" = there is none, or
// the environment is another hub's.
func (a *app) packaged() string {
	if _, err := os.Stat(a.etc); err != nil || a.Getenv("TOPICD_STATE") != "" {
		return ""
	}
	return a.etc
}

func (a *app) showConfig(set *settings, list []flags.Setting, check, asJSON bool) error {
	worst := (&server{set: set}).worst().total()
	switch {
	case asJSON:
		v := map[string]any{"config": set.config, "memory_worst": worst, "memory_max": memoryMax(set) << 20}
		if !check {
			v["settings"] = list
		}
		return json.NewEncoder(a.Out).Encode(v)
	case check:
		_, err := fmt.Fprintf(a.Out, "%s is good; with it the hub takes at most %s\n", set.config, show.Bytes(worst))
		return err
	}
	width := 0
	for _, s := range list {
		width = max(width, len(s.Name))
	}
	for _, s := range list {
		fmt.Fprintf(a.Out, "%-*s  %s  (%s)\n", width, s.Name, show.Clean(s.Value), s.From)
	}
	_, err := fmt.Fprintf(a.Out, "%-*s  %s with every limit reached at once (MemoryMax %d M)\n", width, "at most", show.Bytes(worst), memoryMax(set))
	return err
}

// effective are the settings that serve would have, and who said each of them. A
// file that is named must be there, one that is not may be missing.
func (a *app) effective(file string, environment bool) (*settings, []flags.Setting, error) {
	s := newSettings()
	s.flags(pflag.NewFlagSet("serve", pflag.ContinueOnError))
	s.config = file
	s.reading = true
	getenv := a.Getenv
	if !environment {
		getenv = func(name string) string {
			if strings.HasPrefix(name, "TOPICD_") && name != "TOPICD_STATE" {
				return ""
			}
			return a.Getenv(name)
		}
	}
	list, err := s.set.Effective(func() error { return s.load(getenv, os.Geteuid() == 0) })
	return s, list, err
}

// memoryMax is what the service may take at most, in MiB: the worst case and a
// fifth, for what the kernel counts beside it.
func memoryMax(s *settings) int64 {
	const step = 4
	mib := (&server{set: s}).worst().total() >> 20
	return (mib*6/5/step + 1) * step
}
