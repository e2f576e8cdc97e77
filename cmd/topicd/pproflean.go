//go:build lean

package main

import (
	"github.com/spf13/pflag"

	"topicd/cmd/internal/settings"
)

// The build for boards serves no profiles: `go build ./cmd/topicd` makes one that does.

func profileFlag(*settings.Settings, *pflag.FlagSet) {}

func (s *server) startPprof() error { return nil }
