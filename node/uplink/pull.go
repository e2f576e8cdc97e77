package uplink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"topicd/codec"
	"topicd/node/uplink/wire"
)

const (
	batch   = 256                    // messages asked for at a time
	alive   = 10 * time.Second       // the server says at least so often that nothing came
	again   = 10 * time.Second       // after which the server sends what is not acked again
	feedAck = 200 * time.Millisecond // acks go out at least so often

	lastWord = time.Second // an answer to the last ack is waited for so long

	// mostUnsynced is how many bytes are published before the disk has them: a third of
	// what the store lets wait (store.Options.Pending).
	mostUnsynced = 256 << 10

	subjects = "sites.*.up.>"
)

// pull is one connection of a feed.
//
// To ack a message acks all that the consumer delivered before it (ack_policy all), also
// what went to a connection that is gone. So a message is published, and acked, only when
// all before it are: everything up to at. What the consumer had delivered and is not known
// to be published when the connection began, up to then, is asked of a second consumer, in
// the stream's order. From then on the first one numbers its deliveries one by one, and one
// that went elsewhere shows as a gap.
type pull struct {
	f        *Feed
	nc       *wire.Conn
	inbox    string
	consumer string // that is asked for messages
	next     uint64 // the number that it will give to what it delivers next
	at       uint64 // up to there in the stream everything is published
	then     place  // where the durable consumer stood; the second one is asked up to there

	want   int // messages asked for that did not come yet
	asked  int
	heard  time.Time
	ack    string       // where the newest message published is acked to, "" = nothing is owed
	acks   uint64       // up to there in the stream
	acked  string       // where the last ack went
	size   int          // bytes of what was published since something was last acked
	unkept *codec.Error // why a reading is not going to be on disk
}

// place is a message's number in the stream, and among all that a consumer delivered.
type place struct {
	Stream   uint64 `json:"stream_seq"`
	Consumer uint64 `json:"consumer_seq"`
}

// session takes readings on one connection, until it ends.
func (f *Feed) session(ctx context.Context) error {
	errs := make(chan error, 8)
	nc, err := dial(ctx, &f.opt, "topicd "+f.opt.Site, errs)
	if err != nil {
		return err
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { // a line that takes nothing holds nobody up
		select {
		case <-nc.Ended():
		case <-time.After(2 * lastWord):
			nc.Close()
		}
	})()
	p := &pull{f: f, nc: nc, inbox: fmt.Sprintf("_INBOX.%s.%08x.", f.opt.Site, rand.Uint32()), heard: time.Now()}
	if err := p.begin(ctx); err != nil {
		return said("stream "+f.opt.Stream, err)
	}
	in := make(chan *wire.Msg, 4*batch)
	if _, err := nc.Subscribe(p.inbox+"*", in); err != nil {
		return err
	}
	if !f.doubt {
		f.set(Up, "")
	}
	tick := time.NewTicker(feedAck)
	defer tick.Stop()
	for {
		if err := p.more(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			p.bye(ctx)
			return ctx.Err()
		case err := <-errs:
			return err
		case <-nc.Ended():
			return nc.Err()
		case m := <-in:
			if err := p.takeAll(ctx, m, in); err != nil {
				return err
			}
		case <-tick.C:
			if err := p.settle(); err != nil {
				return err
			}
			if time.Since(p.heard) > 5*alive/2 {
				return wire.ErrSilent
			}
		}
	}
}

// begin makes the durable consumer, or finds it made. If it has delivered what is not known
// to be published here, begin makes a second one, which begins there. That one is gone when
// it was not asked for a while. How many have no ack says nothing of where: for a message
// that is removed from the stream the server acks all before it, and the servers of a
// cluster know of acks at different times. So what counts is the place.
func (p *pull) begin(ctx context.Context) error {
	var made struct {
		Pending   int   `json:"num_ack_pending"`
		Delivered place `json:"delivered"`
		Acked     place `json:"ack_floor"`
	}
	name := p.f.consumer()
	err := p.make(ctx, name, map[string]any{
		"deliver_policy": "all", "ack_policy": "all", "ack_wait": again, "max_ack_pending": 8 * batch,
	}, &made)
	if err != nil {
		return err
	}
	p.then, p.at = made.Delivered, made.Delivered.Stream
	if made.Pending > 0 {
		p.at = min(p.at, made.Acked.Stream)
	}
	if p.f.at > 0 {
		p.at = min(p.at, p.f.at)
	}
	if p.at == p.then.Stream {
		p.turn()
		return nil
	}
	p.consumer, p.next = fmt.Sprintf("%s-%08x", name, rand.Uint32()), 1
	return p.make(ctx, p.consumer, map[string]any{
		"deliver_policy": "by_start_sequence", "opt_start_seq": p.at + 1, "ack_policy": "none",
		"inactive_threshold": 3 * alive, "mem_storage": true,
	}, &struct{}{})
}

func (p *pull) make(ctx context.Context, name string, config map[string]any, made any) error {
	config["durable_name"], config["filter_subject"], config["replay_policy"] = name, subjects, "instant"
	return call(ctx, p.nc, p.inbox, "CONSUMER.DURABLE.CREATE."+p.f.opt.Stream+"."+name,
		map[string]any{"stream_name": p.f.opt.Stream, "config": config}, made)
}

// turn turns to the durable consumer: all that it has delivered is published.
func (p *pull) turn() { p.consumer, p.next, p.want = p.f.consumer(), p.then.Consumer+1, 0 }

// more asks for more: of the durable consumer when half of what was asked for has come,
// of the second one no more than is left. As long as it is not known whether the disk
// takes anything again it asks for one message: that is published once more each time.
func (p *pull) more() error {
	n, most := batch, batch/2
	if p.f.doubt {
		n, most = 1, 0
	}
	if p.at < p.then.Stream {
		n, most = int(min(uint64(n), p.then.Stream-p.at)), 0
	}
	if p.want > most {
		return p.nc.Flush()
	}
	p.asked++
	p.want += n
	body := fmt.Appendf(nil, `{"batch":%d,"expires":%d,"idle_heartbeat":%d}`, n, 3*alive, alive)
	if err := p.nc.Publish(apiPrefix+"CONSUMER.MSG.NEXT."+p.f.opt.Stream+"."+p.consumer, p.inbox+strconv.Itoa(p.asked), nil, body); err != nil {
		return err
	}
	return p.nc.Flush()
}

// takeAll takes a message and what has come behind it, a batch and a few at most, and
// acks what it may.
func (p *pull) takeAll(ctx context.Context, m *wire.Msg, in <-chan *wire.Msg) (err error) {
	f := p.f
	p.heard = time.Now()
	f.opt.Hub.Tick(f.turn)
	f.sess.Heard(f.turn.Mono)
	for n, more := 0, true; more; n++ {
		if err = p.take(m); err != nil || n > batch || p.size > mostUnsynced || p.unkept != nil {
			break
		}
		select {
		case m = <-in:
		default:
			more = false
		}
	}
	f.turn.Wake()
	if p.size > mostUnsynced { // the store refuses what comes faster than the disk
		_ = f.opt.Hub.Await(f.commit, ctx.Done())
		p.heard = time.Now()
	}
	switch {
	case errors.Is(err, errElsewhere):
		p.bye(ctx) // else the next connection would be sent what this one has published
	case err == nil && (f.commit == 0 || p.unkept != nil || p.size > mostUnsynced):
		err = p.settle()
	}
	return err
}

// settle acks what is published, and on disk if its topic is durable. What the disk does
// not take stays in the stream: that is an error, and it comes again after a while.
func (p *pull) settle() error {
	f := p.f
	if disk := f.opt.Hub.Options().Disk; disk != nil && f.commit > 0 && p.unkept == nil {
		done, why := disk.Committed(f.commit)
		if !done && why == nil {
			return nil
		}
		f.commit = 0
		if p.unkept = why; why != nil {
			clear(f.last) // what of it is not on disk is not known
		}
	}
	if p.unkept != nil {
		f.doubt = true
		return fmt.Errorf("the disk does not take readings: %w", p.unkept)
	}
	f.at = p.at
	if p.ack == "" {
		return nil
	}
	_ = p.nc.Publish(p.ack, "", nil, []byte("+ACK")) // the second consumer does not mind
	p.acked, p.ack, p.acks, p.size = p.ack, "", 0, 0
	if f.doubt {
		f.doubt = false
		f.set(Up, "")
	}
	return p.nc.Flush()
}

// bye acks what it may and waits until the server has that: it would come once more after
// the next start.
func (p *pull) bye(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	within, end := context.WithTimeout(ctx, lastWord)
	defer end()
	_ = p.f.opt.Hub.Await(p.f.commit, within.Done())
	if p.settle() != nil || p.acked == "" {
		return
	}
	within, end = context.WithTimeout(ctx, lastWord)
	defer end()
	_, _ = p.nc.Request(within, p.inbox, p.acked, []byte("+ACK"))
}

// take publishes a message, or hears what the server says.
func (p *pull) take(m *wire.Msg) error {
	if code, words := m.Status(); code != "" && m.Reply == "" {
		switch code {
		case "100": // still alive
		case "404", "408": // that is all for now
			p.want = max(0, p.want-int(number(m.Header("Nats-Pending-Messages"))))
		default:
			return fmt.Errorf("consumer %s: %s", p.consumer, words)
		}
		return nil
	}
	at, pending, from := parseReply(m.Reply)
	switch {
	case at.Stream == 0:
		return refused("consumer %s delivers what is no message of JetStream", p.consumer)
	case from != p.consumer: // the second one, which was asked for more than there was to then
		return nil
	}
	p.want--
	p.f.pending.Store(int64(pending))
	switch {
	case at.Stream > p.at && at.Consumer != p.next:
		return errElsewhere
	case at.Consumer == p.next:
		p.next++
	}
	if at.Stream <= p.at { // is published
		p.f.duplicates.Add(1)
		if at.Stream >= p.acks {
			p.ack, p.acks = m.Reply, at.Stream
		}
		return nil
	}
	c, unkept, why := p.f.publish(m)
	if why >= 0 {
		p.f.refused[why].Add(1)
	}
	if p.unkept = unkept; unkept != nil {
		return nil
	}
	second := p.at < p.then.Stream
	p.at, p.ack, p.acks = at.Stream, m.Reply, at.Stream
	p.f.commit, p.size = max(p.f.commit, c), p.size+len(m.Data)
	if second && p.at >= p.then.Stream {
		p.turn()
	}
	return nil
}

var errElsewhere = errors.New("readings go to somebody else too: to another centre of this name, or to this one's connection before")

// parseReply reads where a message stands, how many come behind it, and whose it is from
// the subject that it is acked to: $JS.ACK.<stream>.<consumer>.<times delivered>.<number in
// the stream>.<number of the delivery>.<time>.<messages behind it>. Servers may put domain
// and account before the stream, and something at the end (JetStream ADR-15).
func parseReply(reply string) (at place, pending uint64, consumer string) {
	var t [12]string
	n := 0
	for more := true; more && n < len(t); n++ {
		t[n], reply, more = strings.Cut(reply, ".")
	}
	i := 5
	if n > 9 {
		i = 7
	}
	return place{number(t[i]), number(t[i+1])}, number(t[i+3]), t[i-2]
}
