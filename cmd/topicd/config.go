package main

import (
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"topicd/cmd/internal/command"

	"github.com/spf13/pflag"
)

//go:embed topicd.toml
var configText []byte

// load completes the settings, whose flags are parsed, from the environment and the file.
func (s *settings) load(getenv func(string) string, root bool) error {
	if port := getenv("PORT"); port != "" && getenv("TOPICD_LISTEN") == "" && !s.set.All.Changed("listen") {
		if err := s.set.All.Set("listen", ":"+port); err != nil {
			return command.Wrong("PORT: %w", err)
		}
	}
	if err := s.set.Env(getenv); err != nil {
		return command.Wrong("%w", err)
	}
	if err := mwsEnv(s.set.All, getenv); err != nil {
		return err
	}
	if s.state == "" {
		s.state = command.StateDir(getenv, root)
	}
	if !s.reading {
		if err := ensureState(s.state); err != nil {
			return err
		}
	}
	text, err := s.text()
	if err != nil {
		return err
	}
	// Once for practice, so that a mistake shows even where a flag overrides it.
	practice := newSettings()
	practice.flags(pflag.NewFlagSet("practice", pflag.ContinueOnError))
	for _, to := range []*settings{practice, s} {
		if err := to.set.File(s.config, string(text)); err != nil {
			return command.Wrong("%w", err)
		}
	}
	if s.limits == "bench" {
		s.bench()
	}
	s.adminToken = getenv("TOPICD_ADMIN_TOKEN")
	if s.adminToken == "" {
		s.adminToken = getenv("SECURITY_TOKEN") // as Managed WebSocket has it
	}
	return s.check()
}

// text is what the configuration file says. Where none was named and none is there it
// is written.
func (s *settings) text() ([]byte, error) {
	named := s.config != ""
	if !named {
		s.config = filepath.Join(s.state, "topicd.toml")
	}
	text, err := os.ReadFile(s.config)
	switch missing := errors.Is(err, fs.ErrNotExist) && !named; {
	case missing && s.reading:
		err = nil
	case missing:
		text, err = configText, command.WriteNew(s.config, configText, 0o600)
	}
	if err != nil {
		hint := "choose another directory with --state DIR"
		if named {
			hint = "without --config it is STATE/topicd.toml, which is written at the first start"
		}
		return nil, command.Fail(command.Usage, hint, "configuration: %w", err)
	}
	return text, nil
}
