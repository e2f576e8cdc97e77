package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/cmd/internal/settings"
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
		set := newSettings()
		list, err := set.Effective(cmp.Or(file, a.packaged()), a.Getenv)
		if err != nil {
			return err
		}
		names, near := set.Strangers(a.Environ)
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

func (a *app) showConfig(set *settings.Settings, list []flags.Setting, check, asJSON bool) error {
	worst := set.Worst().Total()
	switch {
	case asJSON:
		v := map[string]any{"config": set.Config, "memory_worst": worst, "memory_max": set.MemoryMax() << 20}
		if !check {
			v["settings"] = list
		}
		return json.NewEncoder(a.Out).Encode(v)
	case check:
		_, err := fmt.Fprintf(a.Out, "%s is good; with it the hub takes at most %s\n", set.Config, show.Bytes(worst))
		return err
	}
	width := 0
	for _, s := range list {
		width = max(width, len(s.Name))
	}
	for _, s := range list {
		fmt.Fprintf(a.Out, "%-*s  %s  (%s)\n", width, s.Name, show.Clean(s.Value), s.From)
	}
	_, err := fmt.Fprintf(a.Out, "%-*s  %s with every limit reached at once (MemoryMax %d M)\n", width, "at most", show.Bytes(worst), set.MemoryMax())
	return err
}
