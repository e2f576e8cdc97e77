package main

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"topicd/discovery"
	"topicd/node"
	"topicd/node/access"
	"topicd/node/dialect"
	"topicd/node/web"
	"topicd/node/wsock"
)

func (a *app) serve() *command {
	s := newSettings()
	c := newCommand("serve", "", "Run the hub")
	c.long = `Run the hub. It needs no argument: it serves on port 22345, publishes this
board's own sensors under gateway/<hostname>/, tells the local network where it
is, and keeps what must outlive a restart in its state directory.

Each flag is also an environment variable (--topic-cap is TOPICD_TOPIC_CAP) and
a key of the configuration file; a flag comes before the environment, that before
the file. SIGTERM and Ctrl-C say goodbye to every client and exit 0 within 2 s;
a second one exits at once.`
	s.flags(c.flags)
	c.run = func(ctx context.Context, _ []string) error {
		if err := s.load(c.flags, a.getenv, os.Geteuid() == 0); err != nil {
			return err
		}
		return a.runHub(ctx, s)
	}
	return c
}

// server is a running hub with everything around it.
type server struct {
	set       *settings
	log       *slog.Logger
	hub       *node.Hub
	gate      *access.Gate
	names     access.Names
	admin     adminToken
	keeper    *keeper
	cert      *certificate // nil: no TLS
	peers     peers
	told      told
	links     links
	dialects  *dialects
	ws        *wsock.Server
	web       *web.Server
	http      *http.Server
	bound     []*endpoint // of the configuration, until they are served
	endpoints endpoints
	errs      chan error // of endpoints that ended by themselves
	side      sync.WaitGroup
	stopSide  context.CancelFunc
	trim      trimmer
	adv       *discovery.Advertiser // nil: not advertised
	profiles  *http.Server          // nil: none
}

func (a *app) runHub(ctx context.Context, set *settings) error {
	s := &server{set: set, errs: make(chan error, 8), log: newLog(a.err, set)}
	if err := s.start(); err != nil {
		return err
	}
	s.announce(a.out)
	trimProgram()
	var err error
	select {
	case <-ctx.Done():
	case err = <-s.errs:
	}
	s.shutdown()
	return err
}

// start brings up the hub in an order in which nothing half made is reachable.
func (s *server) start() error {
	if err := s.openTLS(); err != nil {
		return err
	}
	s.openPeers()
	s.names = access.Names{Hosts: append(ownNames(), s.set.hosts...), Origins: s.set.origins}
	if err := s.openListeners(); err != nil {
		return err
	}
	if err := s.startPprof(); err != nil {
		s.unbind()
		return err
	}
	// The arena is not in the heap, and publishing does not allocate: collecting
	// often costs 1 % of the time and keeps a heap that may be 10 MiB small. The
	// limit is a last resort and never below what the limits allow.
	debug.SetGCPercent(25)
	debug.SetMemoryLimit(s.worst().heap())
	o := s.set.hub(hostName())
	o.Owner = s.links.owner
	s.hub = node.New(o)
	s.keeper = s.newKeeper()
	s.keeper.load()
	if err := s.declare(); err != nil {
		return err
	}
	if err := s.openGate(); err != nil {
		s.unbind()
		return err
	}
	s.dialects = s.newDialects()
	w := s.set.wsock()
	w.Ping, w.Dead, w.Log = pingEvery, deadAfter, s.log
	w.Gone = func(addr string) { s.peers.leave(parseAddr(addr)) }
	w.Reader = os.Getenv("TOPICD_READER") // poll, wait or gorilla, to measure and to rule one out; default the best
	w.Subprotocols = []string{dialect.ProtocolJSON, dialect.ProtocolCBOR}
	w.CheckOrigin = func(*http.Request) bool { return true } // guard has
	w.Dialect = func(r *http.Request, proto string) node.Dialect { return s.dialects.route(r)(proto) }
	var err error
	if s.ws, err = wsock.New(s.hub, w); err != nil {
		return err
	}
	s.web = web.New(web.Config{
		Hub: s.hub, Version: version, Listeners: &s.endpoints, Access: &webAccess{s},
		Relay: rooms{s.dialects.relay}, Managed: s.newManaged(),
	})
	s.http = &http.Server{
		Handler:     s.guard(s.handler()),
		BaseContext: baseContext,
		ConnState: func(c net.Conn, state http.ConnState) {
			s.peers.watch(c, state)
			if h, ok := c.(*headConn); ok && state == http.StateIdle {
				h.next()
			}
			if state != http.StateNew && state != http.StateActive {
				s.trim.soon()
			}
		},
		ReadHeaderTimeout: s.set.header,
		IdleTimeout:       s.set.idle,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          log.New(httpLog{s.log}, "", 0),
	}
	s.endpoints.http, s.endpoints.wg, s.endpoints.errs = s.http, &s.side, s.errs
	for _, e := range s.bound {
		s.endpoints.serve(e)
	}
	s.startSide()
	return nil
}

// pingEvery: proxies cut idle sockets at 60 s, and Managed WebSocket promises 45.
const pingEvery = 45 * time.Second

// deadAfter: a ping and 25 s for its pong.
const deadAfter = 70 * time.Second

// openListeners takes every address or none.
func (s *server) openListeners() error {
	if s.cert != nil && len(s.set.tlsListen) == 0 {
		s.endpoints.tls = s.cert.config
	}
	for i, addr := range append(slices.Clone(s.set.listen), s.set.tlsListen...) {
		addr, dialect, err := splitListen(addr)
		var e *endpoint
		if err == nil {
			e, err = s.endpoints.bind(addr, dialect, true)
		}
		if err == nil && i >= len(s.set.listen) {
			e.encrypt(s.cert.config)
		}
		if err != nil {
			s.unbind()
			hint := ""
			switch {
			case errors.Is(err, syscall.EADDRINUSE):
				hint = "another topicd may be running; stop it, or choose another port with --listen :PORT"
			case errors.Is(err, syscall.EACCES):
				hint = "ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another with --listen :PORT"
			case errors.Is(err, syscall.EADDRNOTAVAIL):
				hint = "no interface of this machine has that address; --listen :PORT serves on all of them"
			}
			return fail(exitFailed, hint, "cannot serve on %s: %w", addr, err)
		}
		s.bound = append(s.bound, e)
	}
	return nil
}

// unbind gives the addresses back when the start failed.
func (s *server) unbind() {
	for _, e := range s.bound {
		e.Close()
	}
}

// declare makes the static topics of the configuration.
func (s *server) declare() error {
	for name, t := range s.set.static {
		o := node.MakeOptions{Static: true, Cap: int64(t.cap), Stale: int64(t.stale / time.Second)}
		if _, err := s.hub.Make([]byte(name), o); err != nil {
			return fail(exitUsage, "", "%s: topic %q: %w", s.set.config, name, err)
		}
	}
	return nil
}

// shutdown ends everything, in this order: nobody is told to come any more,
// nobody is let in, everybody is told to go and gets what is still owed for at
// most a second.
func (s *server) shutdown() {
	if s.adv != nil {
		s.adv.Close()
	}
	s.stopSide()
	s.endpoints.closeAll()
	s.web.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.ws.Shutdown(ctx)
	s.web.Drain(ctx)
	s.http.Close()
	s.web.Wait()
	if s.profiles != nil {
		s.profiles.Close()
	}
	s.side.Wait()
	s.dialects.mws.Close()
	s.keeper.save()
	s.hub.Close()
	s.log.Info("stopped")
}

// hostName is this machine's name as one level of a topic.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "gateway"
	}
	return topicLevel(name)
}

// ensureState makes the state directory, for its owner only.
func ensureState(dir string) error {
	if dir == "" {
		return fail(exitFailed, "name a directory with --state DIR", "no place to keep state: neither HOME nor XDG_STATE_HOME is set")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(exitFailed, "choose another directory with --state DIR", "cannot keep state in %s: %w", filepath.Clean(dir), err)
	}
	return nil
}
