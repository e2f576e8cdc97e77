package discovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/grandcat/zeroconf"

	"topicd/discovery/internal/mdns"
)

// BrowseOptions of the zero value are right for a command.
type BrowseOptions struct {
	Timeout time.Duration // default 1.5 s; a sleepy Wi-Fi wants 5 s
	Ifaces  []string      // as in [Service]
	Name    string        // stop as soon as the hub of this name was found
	Limit   int           // hubs at most; default 256
}

func (o BrowseOptions) withDefaults() BrowseOptions {
	if o.Timeout <= 0 {
		o.Timeout = 1500 * time.Millisecond
	}
	if o.Limit <= 0 {
		o.Limit = 256
	}
	return o
}

// askAt are the times at which a browse asks: packets get lost, above all on
// Wi-Fi.
var askAt = []time.Duration{0, 250 * time.Millisecond, 750 * time.Millisecond, 2 * time.Second, 4 * time.Second}

// browser is one browse.
type browser struct {
	// static after construction
	opts BrowseOptions
	id   uint16
	news chan struct{} // something was found

	// guarded by mu
	mu        sync.Mutex
	direct    *mdns.Collector   // from replies to us
	overheard *mdns.Collector   // from zeroconf
	iface     map[string]string // interface of a reply, by instance
}

// Browse asks the networks for hubs and gives those that answer within the
// time, checked, each once, by name. An error means that nothing could be
// asked; no hub is no error. When ctx ends early the error is that of ctx.
func Browse(ctx context.Context, o BrowseOptions) ([]Hub, error) {
	o = o.withDefaults()
	ifaces, _, err := look(o.Ifaces)
	if err != nil {
		return nil, err
	}
	if len(ifaces) == 0 {
		return nil, ErrNoNetwork
	}
	b := &browser{
		opts: o, id: uint16(rand.Uint32()), news: make(chan struct{}, 1),
		direct:    mdns.NewCollector(ServiceType, o.Limit),
		overheard: mdns.NewCollector(ServiceType, o.Limit), iface: map[string]string{},
	}
	timed, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	var wg sync.WaitGroup
	var errAsk, errZero error
	wg.Go(func() { errAsk = b.ask(timed, cancel, ifaces) })
	wg.Go(func() { errZero = b.listen(timed, ifaces) })
	wg.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if errAsk != nil && errZero != nil {
		return nil, errors.Join(errAsk, errZero)
	}
	return b.hubs(true), nil
}

// ErrNoNetwork says that no interface is fit for discovery.
var ErrNoNetwork = errors.New("no usable network interface (is the network up? choose one with --iface)")

// listen browses with zeroconf: the multicast answers of responders that know
// nothing else, over IPv4 (its IPv6 results lack the zone, and mix up).
func (b *browser) listen(ctx context.Context, ifaces []iface) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var ifis []net.Interface
	for _, i := range ifaces {
		ifis = append(ifis, i.Interface)
	}
	r, err := zeroconf.NewResolver(zeroconf.SelectIPTraffic(zeroconf.IPv4), zeroconf.SelectIfaces(ifis))
	if err != nil {
		return err
	}
	entries := make(chan *zeroconf.ServiceEntry)
	if err := r.Browse(ctx, ServiceType, "local", entries); err != nil {
		cancel()
		for range entries { // closed when zeroconf has ended
		}
		return err
	}
	// It must be read until closed, or zeroconf blocks for ever. It keeps what
	// it has seen: end it when there is more than we would show.
	for e := range entries {
		b.mu.Lock()
		b.overheard.Entry(e.Instance, e.HostName, e.Port, e.Text, e.AddrIPv4)
		full := b.overheard.Full()
		b.mu.Unlock()
		if full {
			cancel()
		}
	}
	return nil
}

// ask sends one-shot queries from a port of its own, so that the replies come
// to us and to nobody else, with all that is known of a hub, over both families
// (RFC 6762 sections 5.1 and 6.7).
func (b *browser) ask(ctx context.Context, done func(), ifaces []iface) error {
	socks, err := listenAny()
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer socks.close()
	for _, read := range socks.readers() {
		wg.Go(func() { b.recvLoop(read) })
	}
	sent := false
	begin := time.Now()
	for _, at := range askAt {
		if !b.wait(ctx, done, time.Until(begin.Add(at))) {
			break
		}
		b.mu.Lock()
		pkt := b.direct.Query(b.id)
		b.mu.Unlock()
		for _, i := range ifaces {
			if e := socks.send(pkt, i.Index); e != nil {
				err = e
			} else {
				sent = true
			}
		}
	}
	b.wait(ctx, done, b.opts.Timeout)
	if sent {
		return nil
	}
	return err
}

// wait lets time pass and reports whether the browse goes on.
func (b *browser) wait(ctx context.Context, done func(), d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
			return true
		case <-b.news:
			if b.opts.Name == "" {
				continue
			}
			if _, err := Pick(b.hubs(false), b.opts.Name); err == nil {
				done()
				return false
			}
		}
	}
}

func (b *browser) recvLoop(read func([]byte) (datagram, error)) {
	receive(read, func(d datagram) {
		if d.src == nil || d.src.Port != mdns.Port {
			return // RFC 6762 section 6.7: replies come from 5353
		}
		zone := zoneOf(d)
		b.mu.Lock()
		for _, name := range b.direct.Reply(d.data, b.id, zone) {
			b.iface[name] = zone
		}
		b.mu.Unlock()
		b.tell()
	})
}

// receive takes packets until the socket is closed.
func receive(read func([]byte) (datagram, error), take func(datagram)) {
	buf := make([]byte, maxPacket+1)
	for {
		d, err := read(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(readPause)
		default:
			take(d)
		}
	}
}

func (b *browser) tell() {
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// hubs gives what was found so far. What was overheard counts only for a hub
// that has not replied to us: zeroconf takes the claims in another host's probe
// for facts, also those that are about to be refused.
func (b *browser) hubs(overheard bool) []Hub {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := b.direct.Found()
	replied := map[string]bool{}
	for _, f := range found {
		replied[strings.ToLower(f.Instance)] = true
	}
	if overheard {
		for _, f := range b.overheard.Found() {
			if !replied[strings.ToLower(f.Instance)] {
				found = append(found, f)
			}
		}
	}
	var out []Hub
	now := time.Now()
	for _, f := range found {
		if h, ok := newHub(f, b.iface[f.Instance], now); ok && len(out) < b.opts.Limit {
			out = append(out, h)
		}
	}
	byName(out)
	return out
}

func byName(hubs []Hub) {
	sort.Slice(hubs, func(i, j int) bool { return hubs[i].Name < hubs[j].Name })
}

// ErrNotFound and ErrSeveral are the errors of [Pick].
var (
	ErrNotFound = errors.New("no hub found")
	ErrSeveral  = errors.New("several hubs found")
)

// Pick chooses the hub to use: the one of that name, host name or id, or
// without a name the only one there is.
func Pick(hubs []Hub, name string) (Hub, error) {
	if name == "" {
		switch len(hubs) {
		case 0:
			return Hub{}, ErrNotFound
		case 1:
			return hubs[0], nil
		}
		return Hub{}, ErrSeveral
	}
	fits := []func(Hub) bool{
		func(h Hub) bool { return h.Name == name },
		func(h Hub) bool { return strings.EqualFold(h.Name, name) || Display(h.Name) == name },
		func(h Hub) bool { return strings.EqualFold(h.Host, name) || h.ID != "" && h.ID == name },
	}
	for _, fit := range fits {
		var hits []Hub
		for _, h := range hubs {
			if fit(h) {
				hits = append(hits, h)
			}
		}
		switch len(hits) {
		case 0:
		case 1:
			return hits[0], nil
		default:
			return Hub{}, fmt.Errorf("%w for %q", ErrSeveral, name)
		}
	}
	return Hub{}, fmt.Errorf("%w for %q", ErrNotFound, name)
}

// watchMisses is how many rounds a hub may stay away before Watch forgets it.
const watchMisses = 3

// Watch browses again and again, every so often (at least the time of a
// browse), and calls fn with the hubs after each round. A hub that was not
// heard keeps its Seen and is dropped after three rounds. It ends with ctx.
func Watch(ctx context.Context, o BrowseOptions, every time.Duration, fn func([]Hub, error)) {
	type entry struct {
		Hub
		missed int
	}
	known := map[string]*entry{}
	for {
		begin := time.Now()
		hubs, err := Browse(ctx, o)
		if ctx.Err() != nil {
			return
		}
		for name, e := range known {
			if e.missed++; e.missed > watchMisses {
				delete(known, name)
			}
		}
		for _, h := range hubs {
			known[h.Name] = &entry{Hub: h}
		}
		list := make([]Hub, 0, len(known))
		for _, e := range known {
			list = append(list, e.Hub)
		}
		byName(list)
		fn(list, err)
		if !sleep(ctx, time.Until(begin.Add(every))) {
			return
		}
	}
}
