package main

import (
	"context"
	"strings"
	"time"
	"unicode"

	"topicd/codec"
	"topicd/node"
	"topicd/node/sense"
)

// senseEvery is the time between two rounds of this board's sensors: soon
// enough to watch a fan, and 0.1 % of a small CPU.
const senseEvery = 5 * time.Second

// senseLoop publishes this board's sensors until ctx ends.
func (s *server) senseLoop(ctx context.Context) {
	board := sense.New(sense.Options{})
	defer board.Close()
	turn := s.hub.Turn()
	sess, refused := s.hub.Open(nobody{}, node.Local, "", turn)
	if refused == nil {
		refused = sess.Hello("", hostName(), turn)
	}
	if refused != nil {
		s.log.Error("cannot publish this board's sensors", "err", refused)
		return
	}
	sess.Describe("sense", "json", turn)
	defer func() { sess.Close(turn); turn.Wake() }()
	prefix := "gateway/" + hostName() + "/"
	skipped := 0
	for {
		s.hub.Tick(turn)
		sess.Heard(turn.Mono)
		var refused *codec.Error
		sum := board.Read(ctx, func(r sense.Reading) {
			b := node.Body{Enc: codec.JSON, Data: r.AppendJSON(nil)}
			if _, err := sess.Publish([]byte(prefix+r.Topic), b, 0, turn); err != nil {
				refused = err
			}
		})
		turn.Wake()
		if refused != nil {
			s.log.Warn("a reading of this board was refused", "err", refused)
		}
		if n := len(sum.Skipped); n != skipped {
			skipped = n
			if n > 0 {
				s.log.Debug("sensors skipped", "count", n, "first", sum.Skipped[0].Path, "reason", sum.Skipped[0].Reason)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(senseEvery):
		}
	}
}

// nobody is the far end of a session that only publishes.
type nobody struct{}

func (nobody) Wake()            {}
func (nobody) Cut(*codec.Error) {}

// topicLevel makes a name one level of a topic.
func topicLevel(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '/' || r == '+' || r == '#' || unicode.IsControl(r) || r == unicode.ReplacementChar {
			return '-'
		}
		return r
	}, strings.TrimLeft(name, "$"))
	if len(name) > 40 {
		name = strings.ToValidUTF8(name[:40], "")
	}
	if name == "" {
		return "gateway"
	}
	return name
}
