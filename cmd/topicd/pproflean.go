//go:build lean

package main

import "github.com/spf13/pflag"

// The build for boards serves no profiles: `go build ./cmd/topicd` makes one that does.

func (s *settings) profileFlag(*pflag.FlagSet) {}

func (s *server) startPprof() error { return nil }
