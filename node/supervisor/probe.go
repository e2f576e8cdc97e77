package supervisor

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"topicd/codec"
	"topicd/node"
)

// aliveTopic is where the probe's readings go.
const aliveTopic = "$sys/alive"

// Probe shows that the hub delivers: a reading of its own goes the whole way, by a
// socket into the link's reader, to its topic, to its subscriber and by the flusher
// out of the socket again. That a goroutine of the process still runs says little:
// it does so too when all others wait for one lock.
type Probe struct {
	Accept func(net.Conn, node.Arrival, node.Dialect) // carries a connection, as link.Server.Accept

	conn net.Conn
	in   *bufio.Reader
	n    uint64 // numbers of the readings; they have as many digits all the time
}

const (
	firstBeat = 1_000_000_000
	beatLen   = 11 // ten digits and a line feed
)

// Beat sends one reading through the hub and waits for it. A hub that refuses the
// probe because it is full has answered: that is no error.
func (p *Probe) Beat(ctx context.Context) error {
	if p.conn == nil {
		if err := p.connect(); err != nil {
			return err
		}
	}
	c := p.conn // Close may come before what is to be done after ctx
	until, _ := ctx.Deadline()
	_ = c.SetDeadline(until)
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })
	defer stop()
	p.n++
	want := strconv.FormatUint(firstBeat+p.n, 10)
	_, err := c.Write([]byte(want + "\n"))
	for heard := ""; err == nil && heard != want+"\n"; { // one of an earlier beat may come first
		heard, err = p.in.ReadString('\n')
	}
	var late net.Error
	if err == nil || errors.As(err, &late) && late.Timeout() {
		return err
	}
	p.Close() // somebody cut the probe, or the hub is full: the next beat tries again
	return nil
}

// Close ends the probe's connection.
func (p *Probe) Close() {
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}

func (p *Probe) connect() error {
	ours, hubs, err := pair()
	if err != nil {
		return err
	}
	p.conn, p.in = ours, bufio.NewReaderSize(ours, 256)
	p.Accept(hubs, node.Arrival{Addr: node.Local, Dialect: "alive"}, beats{})
	return nil
}

// beats is the dialect of the hub's end: what comes is published, what is published
// is written.
type beats struct{}

var _ node.Splitter = beats{}

// Open implements node.Dialect.
func (beats) Open(p node.Peer, turn *node.Turn) {
	p.SetSilence(-1)
	p.Session().Describe("alive", "", turn)
	if _, err := p.Session().Subscribe([]byte(aliveTopic), node.SubOptions{Format: lines{}}, turn); err != nil {
		p.Session().Sink().Cut(err)
	}
}

// Split implements node.Splitter.
func (beats) Split(in []byte, _ int) (int, *codec.Error) {
	if len(in) < beatLen {
		return 0, nil
	}
	return beatLen, nil
}

// Frame implements node.Dialect.
func (beats) Frame(p node.Peer, _ bool, packet []byte, turn *node.Turn) {
	p.Session().PublishOwn(aliveTopic, packet[:beatLen-1], turn)
}

// Bye implements node.Dialect.
func (beats) Bye(node.Peer, *codec.Error, *node.Turn) {}

// Close implements node.Dialect.
func (beats) Close(node.Peer, *node.Turn) {}

// lines writes each reading as a line.
type lines struct{ node.Binary }

// Append implements node.Format.
func (lines) Append(dst []byte, r *node.Reading) ([]byte, bool) {
	return append(append(dst, r.Data...), '\n'), true
}
