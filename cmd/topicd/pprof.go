//go:build !lean

package main

import (
	"errors"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/spf13/pflag"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/settings"
	"topicd/node/web"
)

// profileFlag is what the build for boards leaves out: 0.2 MB.
func profileFlag(s *settings.Settings, fs *pflag.FlagSet) {
	fs.StringVar(&s.Pprof, "pprof", "", "serve profiles at http://`ADDR`/debug/pprof/; a bare port is loopback only (default off)")
}

// startPprof serves profiles to `go tool pprof`.
func (s *server) startPprof() error {
	if s.set.Pprof == "" {
		return nil
	}
	runtime.MemProfileRate = 512 << 10 // Go's default; see main
	host, port, err := net.SplitHostPort(s.set.Pprof)
	if err != nil {
		host, port = "", s.set.Pprof
	}
	if host == "" {
		host = "127.0.0.1" // to be open to the network it must say so: 0.0.0.0:6060
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return command.Fail(command.Usage, "--pprof wants a port, or an address such as 127.0.0.1:6060", "pprof: %w", err)
	}
	s.profiles = &http.Server{Handler: web.Profiles(s.front.Host), ReadHeaderTimeout: 10 * time.Second}
	s.log.Info("profiles", "url", "http://"+l.Addr().String()+"/debug/pprof/")
	s.side.Go(func() {
		if err := s.profiles.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("profiles ended", "err", err)
		}
	})
	return nil
}
