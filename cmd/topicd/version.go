package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"topicd/cmd/internal/command"
)

func (a *app) version() *command.Command {
	var asJSON bool
	c := command.New("version", "", "Print the version")
	c.Flags.BoolVar(&asJSON, "json", false, "one JSON object")
	c.Run = func(context.Context, []string) error {
		v := struct {
			Version  string `json:"version"`
			Revision string `json:"revision,omitempty"`
			Go       string `json:"go"`
			OS       string `json:"os"`
			Arch     string `json:"arch"`
			Protocol int    `json:"protocol"`
		}{version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH, 1}
		if asJSON {
			return json.NewEncoder(a.Out).Encode(v)
		}
		_, err := fmt.Fprintf(a.Out, "topicd %s (%s, %s/%s)\n", v.Version, v.Go, v.OS, v.Arch)
		return err
	}
	return c
}

// revision is the commit that the binary was built from, where the build says.
func revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return ""
}
