package web

import (
	"strings"
	"testing"

	"topicd/codec"
	"topicd/node"
)

func TestMetrics(t *testing.T) {
	h := start(t, node.Options{}, Config{Version: `1.0"\`})
	h.want(200, "", "POST", "/api/pub/a/b", "1", ofJSON)
	h.hub.Stats.Add(node.DropOverrun, 7)
	a := h.want(200, "", "GET", "/metrics", "")
	if ct := a.header.Get("Content-Type"); ct != "text/plain; version=0.0.4; charset=utf-8" {
		t.Error(ct)
	}
	for _, line := range []string{
		`topicd_build_info{version="1.0\"\\"} 1`,
		"topicd_topics 1",
		"topicd_sessions 1", // this request
		"topicd_arena_used_bytes 128",
		`topicd_drops_total{reason="overrun"} 7`,
		`topicd_refused_total{reason="rate"} 0`,
		`topicd_cut_total{reason="slow"} 0`,
		"topicd_readings_published_total 1",
	} {
		if !strings.Contains(a.body, "\n"+line+"\n") {
			t.Errorf("%s is missing in\n%s", line, a.body)
		}
	}
	// Every counter is somewhere, and only once.
	for c := range node.Counters {
		n := strings.Count(a.body, "\n")
		h.hub.Stats.Add(c, 1e6)
		b := h.want(200, "", "GET", "/metrics", "")
		if n2 := strings.Count(b.body, "\n"); n2 != n {
			t.Errorf("%d lines, then %d", n, n2)
		}
		if n := strings.Count(b.body, " 1000") + strings.Count(b.body, " 2000"); n != 1 {
			t.Errorf("%s is shown %d times", c, n)
		}
		h.hub.Stats.Add(c, -1e6)
	}
	t.Run("promtool", func(t *testing.T) {
		processes(t)
		need(t, "/usr/bin/promtool", "prometheus: apt-get install prometheus")
		if out := tool(t, a.body, "/usr/bin/promtool", "check", "metrics"); out != "" {
			t.Error(out)
		}
	})
}

// A reader that may not see the figures gets none.
func TestMetricsNeedTheRight(t *testing.T) {
	h := start(t, node.Options{}, Config{})
	h.as(rights{"a/#"})
	for _, path := range []string{"/metrics", "/api/stats", "/api/clients", "/api/listeners", "/api/relay"} {
		h.want(403, "", "GET", path, "")
	}
	h.want(200, "", "GET", "/healthz", "")
	h.want(200, "", "GET", "/readyz", "")
}

// rights are those to one pattern.
type rights struct{ pattern string }

func (r rights) may(name []byte) *codec.Error {
	if codec.Match(r.pattern, string(name)) {
		return nil
	}
	return codec.Errorf(codec.CodeForbidden, "not yours")
}
func (r rights) MayPublish(name []byte) *codec.Error { return r.may(name) }
func (r rights) MaySubscribe(name []byte) *codec.Error {
	return r.may([]byte(strings.TrimSuffix(string(name), "/#")))
}
func (r rights) MayManage(name []byte) *codec.Error { return r.may(name) }
func (r rights) MayAdmin() *codec.Error             { return codec.Errorf(codec.CodeForbidden, "no") }
func (r rights) MayList() *codec.Error              { return nil }
func (r rights) MayRead(name string) bool           { return codec.Match(r.pattern, name) }
