package uplink

import (
	"context"
	"strings"
	"sync"

	"topicd/codec"
	"topicd/node"
	"topicd/node/uplink/wire"
)

// downs are the messages of the centre. They come as fast as the centre likes, wait in
// a bounded channel, and are published by one goroutine as the client "uplink", with
// that client's rights and limits.
type downs struct {
	u      *Uplink
	prefix string
	in     chan *wire.Msg
	sess   *node.Session
	turn   *node.Turn

	mu      sync.Mutex
	sub     *wire.Sub
	dropped int64 // of sub, as counted
	large   int64
}

const (
	maxDowns     = 256     // messages that wait
	maxDownBytes = 4 << 20 // and their bytes: a server may let 64 MiB pass in one
	downHead     = 4 << 10 // of headers beside a reading
)

func newDowns(u *Uplink) (*downs, error) {
	d := &downs{u: u, prefix: "sites." + u.opt.Site + ".down.", in: make(chan *wire.Msg, maxDowns)}
	if len(u.opt.Down) == 0 {
		return d, nil
	}
	var err error
	d.sess, d.turn, err = open(u.opt.Hub, Client)
	return d, err
}

// open opens a session of the hub's own.
func open(h *node.Hub, name string) (*node.Session, *node.Turn, error) {
	turn := h.Turn()
	s, err := h.Open(node.Deaf{}, node.Local, "", turn)
	if err == nil {
		err = s.Hello("", name, turn)
	}
	if err != nil {
		return nil, nil, err
	}
	s.Describe("nats", "json", turn)
	turn.Wake()
	return s, turn, nil
}

// listen takes what comes on a new connection.
func (d *downs) listen(nc *wire.Conn) error {
	b := wire.Bound{Message: d.u.opt.Hub.Options().MaxBody + downHead, All: maxDownBytes}
	sub, err := nc.SubscribeWithin(b, d.prefix+">", d.in)
	d.mu.Lock()
	d.sub, d.dropped, d.large = sub, 0, 0
	d.mu.Unlock()
	return err
}

// deaf: the connection is gone.
func (d *downs) deaf() {
	d.overruns()
	d.mu.Lock()
	d.sub = nil
	d.mu.Unlock()
}

// overruns counts what the connection threw away because too much waited.
func (d *downs) overruns() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sub == nil {
		return
	}
	n, large := d.sub.Dropped(), d.sub.Large()
	d.u.count.refused[refusedOverrun].Add(n - d.dropped)
	d.u.count.refused[refusedLarge].Add(large - d.large)
	d.dropped, d.large = n, large
}

func (d *downs) loop(ctx context.Context) {
	if d.sess == nil {
		return
	}
	h := d.u.opt.Hub
	defer func() { h.Tick(d.turn); d.sess.Close(d.turn); d.turn.Wake() }()
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-d.in:
			m.Taken()
			h.Tick(d.turn)
			d.sess.Heard(d.turn.Mono)
			if why := d.publish(m); why >= 0 {
				d.u.count.refused[why].Add(1)
			} else {
				d.u.count.received.Add(1)
			}
			d.turn.Wake()
			d.overruns()
		}
	}
}

// publish publishes a message of the centre. It returns why it is refused, -1 = it is not.
func (d *downs) publish(m *wire.Msg) int {
	rest, ok := strings.CutPrefix(m.Subject, d.prefix)
	topic, good := Topic(rest)
	if !ok || !good || topic[0] == '$' || !fits(d.u.opt.Down, topic) {
		return refusedTopic
	}
	if len(m.Data) > d.u.opt.Hub.Options().MaxBody {
		return refusedLarge
	}
	b := node.Body{Data: m.Data}
	if m.Header(hdrType) == typeCBOR {
		b.Enc = codec.CBOR
	}
	if codec.Validate(b.Enc, b.Data) != nil {
		return refusedMalformed
	}
	if d.sess.Spend(1, len(m.Data), d.turn.Mono) != nil {
		return refusedRate
	}
	if _, err := d.sess.Publish([]byte(topic), b, 0, d.turn); err != nil {
		return why(err)
	}
	return -1
}

// why says which counter an error of the hub is.
func why(err *codec.Error) int {
	switch err.Code {
	case codec.CodeTooLarge:
		return refusedLarge
	case codec.CodeTooFast:
		return refusedRate
	case codec.CodeMalformed:
		return refusedMalformed
	case codec.CodeForbidden:
		return refusedTopic
	}
	return refusedRoom
}
