package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"topicd/node/client/show"
)

// setting is one setting as it holds, and who said so.
type setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"` // flag, env, file or default
}

func (a *app) configuration() *command {
	var file string
	var asJSON, all bool
	c := newCommand("config", "check|show", "Check the configuration, or show which settings hold and who set them")
	c.long = `check reads the environment and the configuration file as serve would, and ends
with 2 and the line where something is wrong. show prints what then holds, with
who said so, and the memory that it may take; without --all only what is not the
default. Neither writes anything.`
	c.example = "  topicd config check && sudo systemctl restart topicd\n  topicd config show --all --json"
	c.min, c.max, c.words = 1, 1, []string{"check", "show"}
	c.flags.StringVar(&file, "config", "", "configuration `FILE` (default STATE/topicd.toml)")
	c.flags.BoolVar(&all, "all", false, "defaults too")
	c.flags.BoolVar(&asJSON, "json", false, "one JSON object")
	c.run = func(_ context.Context, args []string) error {
		set, list, err := a.effective(file, true)
		if err != nil {
			return err
		}
		names, near := strangers(set.all, a.environ)
		for i, name := range names {
			a.note("%s is no setting; the nearest is %s", name, near[i])
		}
		if args[0] == "check" {
			list = nil
		}
		if !all {
			list = said(list)
		}
		return a.showConfig(set, list, args[0] == "check", asJSON)
	}
	return c
}

func said(all []setting) (list []setting) {
	for _, s := range all {
		if s.From != "default" {
			list = append(list, s)
		}
	}
	return list
}

func (a *app) showConfig(set *settings, list []setting, check, asJSON bool) error {
	worst := (&server{set: set}).worst().total()
	switch {
	case asJSON:
		v := map[string]any{"config": set.config, "memory_worst": worst, "memory_max": memoryMax(set) << 20}
		if !check {
			v["settings"] = append([]setting{}, list...)
		}
		return json.NewEncoder(a.out).Encode(v)
	case check:
		_, err := fmt.Fprintf(a.out, "%s is good; with it the hub takes at most %s\n", set.config, show.Bytes(worst))
		return err
	}
	width := 0
	for _, s := range list {
		width = max(width, len(s.Name))
	}
	for _, s := range list {
		fmt.Fprintf(a.out, "%-*s  %s  (%s)\n", width, s.Name, show.Clean(s.Value), s.From)
	}
	_, err := fmt.Fprintf(a.out, "%-*s  %s with every limit reached at once (MemoryMax %d M)\n", width, "at most", show.Bytes(worst), memoryMax(set))
	return err
}

// effective are the settings that serve would have, and who said each of them. A
// file that is named must be there, one that is not may be missing.
func (a *app) effective(file string, environment bool) (*settings, []setting, error) {
	s := newSettings()
	s.all = pflag.NewFlagSet("serve", pflag.ContinueOnError)
	s.flags(s.all)
	s.config = file
	s.reading = true
	getenv := a.getenv
	if !environment {
		getenv = func(name string) string {
			if strings.HasPrefix(name, "TOPICD_") && name != "TOPICD_STATE" {
				return ""
			}
			return a.getenv(name)
		}
	}
	before := map[string]string{}
	s.all.VisitAll(func(f *pflag.Flag) { before[f.Name] = f.Value.String() })
	if err := s.load(s.all, getenv, os.Geteuid() == 0); err != nil {
		return nil, nil, err
	}
	var list []setting
	s.all.VisitAll(func(f *pflag.Flag) {
		from := "default"
		switch v := f.Value.String(); {
		case f.Name == "state" || f.Name == "config":
			if f.Changed {
				from = "env"
			}
		case f.Changed:
			from = "env"
		case v != before[f.Name]:
			from = "file"
		}
		list = append(list, setting{f.Name, f.Value.String(), from})
	})
	return s, list, nil
}

// memoryMax is what the service may take at most, in MiB: the worst case and a
// fifth, for what the kernel counts beside it.
func memoryMax(s *settings) int64 {
	const step = 4
	mib := (&server{set: s}).worst().total() >> 20
	return (mib*6/5/step + 1) * step
}
