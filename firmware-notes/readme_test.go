package firmware

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The figures that the README has are those of performance.md.
func TestReadmeFigures(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	page, number := read(t, "performance.md"), regexp.MustCompile(`\d[\d,.]*`)
	after := func(text, begins string) string {
		_, rest, ok := strings.Cut(text, begins)
		if !ok {
			t.Fatalf("there is no %q", begins)
		}
		return rest
	}
	// nth is a number of a cell of the row that begins so.
	value := func(text, row string, cell, nth int) float64 {
		line, _, _ := strings.Cut(after(text, "\n| "+row), "\n")
		v, err := strconv.ParseFloat(strings.ReplaceAll(number.FindAllString(strings.Split(line, "|")[cell], -1)[nth], ",", ""), 64)
		if err != nil {
			t.Fatal(row, err)
		}
		return v
	}
	const gateway = "W3 gateway: 200 sensors × 10/s → 20 dashboards"
	for _, f := range []struct {
		row             string
		cell, nth       int
		section, target string
		column          int
		by              float64
	}{
		{"CPU of 200 sensors and 20 dashboards", 1, 0, gateway, "hub-json", 1, 1},
		{"CPU of 200 sensors and 20 dashboards", 2, 0, gateway, "mosq-ws", 1, 1},
		{"CPU of 200 sensors and 20 dashboards", 3, 0, gateway, "nats-ws", 1, 1},
		{"the same, p50", 1, 0, gateway, "hub-json", 2, 1},
		{"the same, p50", 2, 0, gateway, "mosq-ws", 2, 1},
		{"the same, p50", 3, 0, gateway, "nats-ws", 2, 1},
		{"the same with `--pace 0`", 1, 0, gateway, "hub-json-pace0", 1, 1},
		{"the same with `--pace 0`", 1, 1, gateway, "hub-json-pace0", 2, 1},
		{"CPU of one sensor and 1,000 dashboards", 1, 0, "W2 fan-out, saturated", "hub-json", 1, 1},
		{"CPU of one sensor and 1,000 dashboards", 2, 0, "W2 fan-out, saturated", "mosq-ws", 1, 1},
		{"CPU of one sensor and 1,000 dashboards", 3, 0, "W2 fan-out, saturated", "nats-ws", 1, 1},
		{"memory of an idle connection", 1, 0, "W4: 10,000 idle", "hub-json", 1, 1000},
		{"memory of an idle connection", 2, 0, "W4: 10,000 idle", "mosq-ws", 1, 1000},
		{"memory of an idle connection", 2, 1, "W4: 10,000 idle", "mosq-tcp", 1, 1000},
		{"memory of an idle connection", 3, 0, "W4: 1,000 idle", "nats-ws", 1, 1000},
		{"memory at the start", 1, 0, "W5: start", "hub-json", 2, 1},
		{"memory at the start", 2, 0, "W5: start", "mosq-ws", 2, 1},
		{"memory at the start", 3, 0, "W5: start", "nats-ws", 2, 1},
	} {
		told := value(string(text), f.row, f.cell, f.nth)
		is := value(after(page, "\n### "+f.section), f.target+" |", f.column-1, 0) / f.by
		if math.Abs(told-is) > 0.025*is {
			t.Errorf("README.md, %q, %s: %v, and performance.md has %v", f.row, f.target, told, is)
		}
	}
}
