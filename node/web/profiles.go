//go:build !lean

package web

import (
	"fmt"
	"net/http"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"topicd/codec"
	"topicd/node/web/answer"
)

const profilePath = "/debug/pprof/"

// Profiles are this process's, for `go tool pprof`; host refuses requests for other
// names than the hub's. net/http/pprof would do the same for 524,288 bytes of armv6
// binary instead of 196,608 (measured).
func Profiles(host func(*http.Request) *codec.Error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := host(r); err != nil {
			answer.Error(answer.New(w, r, nil), err)
			return
		}
		serveProfile(w, r)
	})
}

func serveProfile(w http.ResponseWriter, r *http.Request) {
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
	end := time.NewTimer(time.Duration(seconds) * time.Second)
	defer end.Stop()
	select {
	case <-end.C:
	case <-r.Context().Done():
	}
	pprof.StopCPUProfile()
}
