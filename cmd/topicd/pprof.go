package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"topicd/node/web"
)

// startPprof serves profiles to `go tool pprof`. net/http/pprof would do the
// same for 524,288 bytes of armv6 binary instead of 196,608 (measured).
func (s *server) startPprof() error {
	if s.set.pprof == "" {
		return nil
	}
	runtime.MemProfileRate = 512 << 10 // Go's default; see main
	host, port, err := net.SplitHostPort(s.set.pprof)
	if err != nil {
		host, port = "", s.set.pprof
	}
	if host == "" {
		host = "127.0.0.1" // to be open to the network it must say so: 0.0.0.0:6060
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return fail(exitUsage, "--pprof wants a port, or an address such as 127.0.0.1:6060", "pprof: %w", err)
	}
	s.profiles = &http.Server{Handler: http.HandlerFunc(s.serveProfile), ReadHeaderTimeout: 10 * time.Second}
	s.log.Info("profiles", "url", "http://"+l.Addr().String()+"/debug/pprof/")
	s.side.Go(func() {
		if err := s.profiles.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("profiles ended", "err", err)
		}
	})
	return nil
}

const profilePath = "/debug/pprof/"

func (s *server) serveProfile(w http.ResponseWriter, r *http.Request) {
	if err := s.front.Host(r); err != nil {
		web.Refuse(w, r, err, false)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, profilePath)
	p := pprof.Lookup(name)
	switch {
	case ok && name == "":
		for _, p := range pprof.Profiles() {
			fmt.Fprintf(w, "%s%s %d\n", profilePath, p.Name(), p.Count())
		}
		fmt.Fprintln(w, profilePath+"profile?seconds=30")
	case ok && name == "profile":
		serveCPUProfile(w, r)
	case ok && p != nil:
		debug, _ := strconv.Atoi(r.FormValue("debug"))
		if debug == 0 {
			w.Header().Set("Content-Type", "application/octet-stream")
		}
		_ = p.WriteTo(w, debug)
	default:
		http.NotFound(w, r)
	}
}

func serveCPUProfile(w http.ResponseWriter, r *http.Request) {
	seconds, err := strconv.Atoi(r.FormValue("seconds"))
	if err != nil || seconds <= 0 || seconds > 600 {
		seconds = 30
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := pprof.StartCPUProfile(w); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	pause(r.Context(), time.Duration(seconds)*time.Second)
	pprof.StopCPUProfile()
}
