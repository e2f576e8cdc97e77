package settings

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"

	"github.com/spf13/pflag"
)

// Load completes the settings, whose flags are parsed, from the environment and the file.
func (s *Settings) Load(getenv func(string) string, root bool) error {
	if port := getenv("PORT"); port != "" && getenv("TOPICD_LISTEN") == "" && !s.Set.All.Changed("listen") {
		if err := s.Set.All.Set("listen", ":"+port); err != nil {
			return command.Wrong("PORT: %w", err)
		}
	}
	if err := s.Set.Env(getenv); err != nil {
		return command.Wrong("%w", err)
	}
	if err := mwsEnv(s.Set.All, getenv); err != nil {
		return err
	}
	if s.State == "" {
		s.State = command.StateDir(getenv, root)
	}
	if !s.reading {
		if err := EnsureState(s.State); err != nil {
			return err
		}
	}
	text, err := s.text()
	if err != nil {
		return err
	}
	// Once for practice, so that a mistake shows even where a flag overrides it.
	practice := New(s.program)
	practice.Flags(pflag.NewFlagSet("practice", pflag.ContinueOnError))
	for _, to := range []*Settings{practice, s} {
		if err := to.Set.File(s.Config, string(text)); err != nil {
			return command.Wrong("%w", err)
		}
	}
	if s.Limits == "bench" {
		s.bench()
	}
	s.AdminToken = getenv("TOPICD_ADMIN_TOKEN")
	if s.AdminToken == "" {
		s.AdminToken = getenv("SECURITY_TOKEN") // as Managed WebSocket has it
	}
	return s.check()
}

// text is what the configuration file says. Where none was named and none is there it
// is written.
func (s *Settings) text() ([]byte, error) {
	named := s.Config != ""
	if !named {
		s.Config = filepath.Join(s.State, "topicd.toml")
	}
	text, err := os.ReadFile(s.Config)
	switch missing := errors.Is(err, fs.ErrNotExist) && !named; {
	case missing && s.reading:
		err = nil
	case missing:
		text, err = s.program.Text, command.WriteNew(s.Config, s.program.Text, 0o600)
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

// EnsureState makes the state directory, for its owner only.
func EnsureState(dir string) error {
	if dir == "" {
		return command.Fail(command.Failed, "name a directory with --state DIR", "no place to keep state: neither HOME nor XDG_STATE_HOME is set")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return command.Fail(command.Failed, "choose another directory with --state DIR", "cannot keep state in %s: %w", filepath.Clean(dir), err)
	}
	return nil
}

// Effective makes them those that serve would have, and says who said each of them. A
// file that is named must be there, one that is not may be missing.
func (s *Settings) Effective(file string, getenv func(string) string) ([]flags.Setting, error) {
	s.Flags(pflag.NewFlagSet("serve", pflag.ContinueOnError))
	s.Config = file
	s.reading = true
	return s.Set.Effective(func() error { return s.Load(getenv, os.Geteuid() == 0) })
}
