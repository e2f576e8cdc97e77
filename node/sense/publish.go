package sense

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"

	"topicd/codec"
	"topicd/node"
	"topicd/node/pause"
)

// Every is the time between two rounds of this board's sensors: soon
// enough to watch a fan, and 0.1 % of a small CPU.
const Every = 5 * time.Second

// Publish publishes this board's readings under gateway/<host>/ until ctx ends.
func Publish(ctx context.Context, hub *node.Hub, host string, log *slog.Logger) {
	board := New(Options{})
	defer board.Close()
	publish(ctx, board, hub, host, log)
}

func publish(ctx context.Context, board *Board, hub *node.Hub, host string, log *slog.Logger) {
	turn := hub.Turn()
	sess, refused := hub.Open(nobody{}, node.Local, "", turn)
	if refused == nil {
		refused = sess.Hello("", host, turn)
	}
	if refused != nil {
		log.Error("cannot publish this board's sensors", "err", refused)
		return
	}
	sess.Describe("sense", "json", turn)
	defer func() { sess.Close(turn); turn.Wake() }()
	prefix := Prefix(host)
	skipped := 0
	for {
		hub.Tick(turn)
		sess.Heard(turn.Mono)
		turn.Wake()
		var refused *codec.Error
		sum := board.Read(ctx, func(r Reading) {
			b := node.Body{Enc: codec.JSON, Data: r.AppendJSON(nil)}
			if _, err := sess.Publish([]byte(prefix+r.Topic), b, 0, turn); err != nil {
				refused = err
			}
			turn.Wake() // the next sensor may take a second to answer
		})
		if refused != nil {
			log.Warn("a reading of this board was refused", "err", refused)
		}
		if n := len(sum.Skipped); n != skipped {
			skipped = n
			if n > 0 {
				log.Debug("sensors skipped", "count", n, "first", sum.Skipped[0].Path, "reason", sum.Skipped[0].Reason)
			}
		}
		if !pause.For(ctx, Every) {
			return
		}
	}
}

// Prefix is what the topics of that host's sensors begin with.
func Prefix(host string) string { return "gateway/" + host + "/" }

// nobody is the far end of a session that only publishes.
type nobody struct{}

func (nobody) Wake()            {}
func (nobody) Cut(*codec.Error) {}

// HostName is this machine's name as one level of a topic.
func HostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "gateway"
	}
	return topicLevel(name)
}

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
