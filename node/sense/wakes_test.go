//go:build linux

package sense

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"topicd/codec"
	"topicd/node"
)

// woken is told when its session has something to read.
type woken chan struct{}

func (w woken) Wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}
func (woken) Cut(*codec.Error) {}

// A sensor that takes long to answer holds nothing back of those that have.
func TestSlowSensorHoldsUpNobody(t *testing.T) {
	const slow = "sys/class/hwmon/hwmon0/temp1_input"
	tr := newTree(t, map[string]string{"sys/class/hwmon/hwmon0/name": "chip", "sys/class/thermal/thermal_zone0/temp": "4000", "proc/uptime": "5 5"})
	tr.fifo(slow)
	b, _ := tr.board(Options{Timeout: time.Minute})
	hub := node.New(node.Options{})
	defer hub.Close()
	turn, sink := hub.Turn(), make(woken, 1)
	s, err := hub.Open(sink, "10.0.0.1:1", "", turn)
	if err == nil {
		_, err = s.Subscribe([]byte("gateway/#"), node.SubOptions{Format: nothing{}}, turn)
	}
	if err != nil {
		t.Fatal(err)
	}
	var sc node.Scratch
	s.Fill(nil, 1<<20, turn.Mono, node.Unframed{}, &sc) // live
	turn.Take()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { publish(ctx, b, hub, "board", slog.New(slog.DiscardHandler)); close(done) }()
	select {
	case <-sink:
	case <-time.After(20 * time.Second):
		t.Error("nobody is told of the readings that have come")
	}
	tr.answer(slow, "1000")
	stop()
	<-done
	s.Close(turn)
}

// nothing is a format.
type nothing struct{ node.Binary }

func (nothing) Append(dst []byte, _ *node.Reading) ([]byte, bool) { return dst, false }
