package main

import (
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/settings"
	"topicd/discovery"
	"topicd/node"
	"topicd/node/access"
	"topicd/node/client/show"
	"topicd/node/dialect"
	"topicd/node/durable"
	"topicd/node/front"
	"topicd/node/homeassistant"
	"topicd/node/link"
	"topicd/node/link/ws"
	"topicd/node/sense"
	"topicd/node/state"
	"topicd/node/supervisor"
	"topicd/node/uplink"
	"topicd/node/web"
)

//go:embed topicd.toml
var configText []byte

func newSettings() *settings.Settings {
	return settings.New(settings.Program{Dialects: dialectNames, Text: configText, More: profileFlag})
}

func (a *app) serve() *command.Command {
	s := newSettings()
	c := command.New("serve", "", "Run the hub")
	c.Long = `Run the hub. It needs no argument: it serves on port 22345, publishes this
board's own sensors under gateway/<hostname>/, tells the local network where it
is, and keeps what must outlive a restart in its state directory.

Each flag is also an environment variable (--topic-cap is TOPICD_TOPIC_CAP; lists
are separated by white space) and a key of the configuration file; a flag comes
before the environment, that before the file. SIGTERM and Ctrl-C say goodbye to
every client and exit 0 within 2 s; a second one exits at once. SIGHUP has a
service read its tokens and its TLS files again.`
	s.Flags(c.Flags)
	c.Run = func(ctx context.Context, _ []string) error {
		if err := s.Load(a.Getenv, os.Geteuid() == 0); err != nil {
			return err
		}
		return a.runHub(ctx, s)
	}
	return c
}

// server is a running hub with everything around it.
type server struct {
	set      *settings.Settings
	clock    node.Clock // nil: the machine's
	dead     time.Duration
	log      *slog.Logger
	state    *state.Dir
	cert     *front.Certificate // nil: no TLS
	front    *front.Front
	disk     *durable.Disk  // nil: the state directory takes no files
	uplink   *uplink.Uplink // nil: nothing goes up
	feed     *uplink.Feed   // nil: nothing comes from gateways
	hub      *node.Hub
	topics   *state.Topics
	gate     *access.Gate
	told     access.Told
	admin    adminToken
	router   *dialect.Router
	ha       *homeassistant.Service // nil: off
	link     *link.Server
	sockets  *ws.Server // WebSockets
	web      *web.Server
	side     sync.WaitGroup
	stopSide context.CancelFunc
	adv      *discovery.Advertiser // nil: not advertised
	profiles *http.Server          // nil: none
	manager  *supervisor.Notifier  // nil: none
	given    []net.Listener        // what the service manager has bound
}

func (a *app) runHub(ctx context.Context, set *settings.Settings) error {
	s := &server{set: set, log: newLog(a.Err, set), clock: a.clock, dead: a.dead, manager: supervisor.New(a.Getenv)}
	var err error
	if s.given, err = supervisor.Listeners(a.Getenv); err != nil {
		return err
	}
	names, near := set.Strangers(a.Environ)
	for i, name := range names {
		s.log.Warn("a variable of the environment is no setting", "name", name, "nearest", near[i])
	}
	if err := s.start(); err != nil {
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	s.announce(a.Out)
	supervisor.ShedPages()
	err = s.wait(ctx, hangup, show.IsTerminal(a.Err))
	s.shutdown()
	return err
}

// wait returns when the hub is to end. A hangup has a service read its tokens and
// certificate again; at a terminal it means that nobody looks any more.
func (s *server) wait(ctx context.Context, hangup <-chan os.Signal, terminal bool) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.front.Err():
			return err
		case <-hangup:
			if terminal {
				return nil
			}
			s.reload()
		}
	}
}

// reload reads again what others write: tokens and certificate. What cannot be
// read stays as it was.
func (s *server) reload() {
	if err := s.gate.Reload(); err != nil {
		s.log.Error("the tokens are not read again: those that were known stay", "err", err)
	}
	if s.cert != nil {
		if err := s.cert.Reload(); err != nil {
			s.log.Error("the certificate is not read again: the old one stays", "err", err)
		}
	}
	s.log.Info("read again", "tokens", len(s.gate.Tokens()), "tls_fingerprint", s.cert.Fingerprint())
}

// start brings up the hub in an order in which nothing half made is reachable.
func (s *server) start() (err error) {
	if err := s.openState(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.abandon()
		}
	}()
	if s.cert, err = s.openTLS(); err != nil {
		return err
	}
	if err := s.openFront(); err != nil {
		return err
	}
	if err := s.startPprof(); err != nil {
		return err
	}
	// The arena is not in the heap, and publishing does not allocate: collecting
	// often costs 2 % of the time and keeps a heap that may be 10 MiB small. The
	// limit is a last resort and never below what the limits allow.
	debug.SetGCPercent(10)
	debug.SetMemoryLimit(s.set.Worst().Heap())
	o := s.set.Hub(sense.HostName())
	o.Owner, o.Clock, o.Reserved = s.front.Owner, s.clock, s.set.Reserved()
	if err := s.openDisk(&o); err != nil {
		return err
	}
	if c := s.state.TakeCarried(s.log); s.set.KeepOnExit {
		o.Carried = c
	}
	s.hub = node.New(o)
	if s.disk != nil {
		s.disk.Attach(s.hub)
	}
	if n := s.hub.TakeBack(); n > 0 {
		s.log.Info("the newest readings and minutes of the last run are there", "topics", n)
	}
	if err := s.openTopics(); err != nil {
		return err
	}
	if err := s.openGate(); err != nil {
		return err
	}
	if s.router, err = dialect.NewRouter(s.plugs()...); err != nil {
		return err
	}
	s.openUplink()
	if s.set.HomeAssistant != "off" {
		s.ha = homeassistant.New(s.homeAssistant())
	}
	if err := s.openInside(); err != nil {
		return err
	}
	s.front.Serve(front.Inside{
		Stats: &s.hub.Stats, Gate: s.gate, Handler: s.handler(), Own: s.own, Refuse: s.refuse, Bare: s.bare(),
	})
	s.startSide()
	return nil
}

// openState takes the state directory, and no other hub's.
func (s *server) openState() (err error) {
	s.state, err = state.Open(s.set.State)
	if err != nil {
		return command.Fail(command.Usage, "stop that one, or give this one a directory of its own with --state DIR", "%w keeps its state in %s", err, s.set.State)
	}
	return nil
}

// abandon gives back what a start that failed has taken.
func (s *server) abandon() {
	if s.front != nil {
		s.front.Close()
	}
	if s.disk != nil {
		s.disk.Close()
	}
	s.state.Close()
}

// openFront takes the addresses to serve on.
func (s *server) openFront() error {
	s.front = front.New(front.Options{
		Log: s.log, Names: access.Names{Hosts: append(access.OwnNames(), s.set.Hosts...), Origins: s.set.Origins}, Told: &s.told,
		Dialects: dialectNames(), Cert: s.cert, AllTLS: s.cert != nil && len(s.set.TLSListen) == 0,
		Sessions: s.set.Sessions, PerAddress: s.set.PerAddress, Requests: s.set.Requests, Loopback: bool(s.set.Loopback),
		Header: s.set.Header, Idle: s.set.Idle, Dead: link.DefaultDead, Inherited: s.given,
	})
	plain, encrypted, perhaps := s.set.MQTT()
	err := s.front.Bind(append(slices.Clone(s.set.Listen), plain...), append(slices.Clone(s.set.TLSListen), encrypted...))
	hint := ""
	switch {
	case err == nil:
		if perhaps != "" {
			if err := s.front.Offer(perhaps); err != nil {
				s.log.Info("MQTT has no port of its own: it is served at /mqtt", "err", err)
			}
		}
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "another topicd may be running; stop it, or choose another port with --listen :PORT"
	case errors.Is(err, syscall.EACCES):
		hint = "ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another with --listen :PORT"
	}
	return command.Fail(command.Failed, hint, "%w", err)
}

// openTopics makes the static topics: of the state, and of the configuration.
func (s *server) openTopics() error {
	s.topics = &state.Topics{Hub: s.hub, File: s.state.File("topics.json"), Log: s.log, Skip: func(topic string) bool { return s.set.Static[topic] != nil }}
	if err := s.topics.Load(); err != nil {
		return command.Fail(command.Failed, "the hub's user must be able to read it", "the static topics cannot be read: %w", err)
	}
	for name, t := range s.set.Static {
		o := node.MakeOptions{Static: true, Cap: int64(t.Cap), Stale: int64(t.Stale / time.Second), Durable: bool(t.Durable), Writable: bool(t.Writable), Min: t.Min, Max: t.Max}
		if _, err := s.hub.Make([]byte(name), o); err != nil {
			return command.Fail(command.Usage, "", "%s: topic %q: %w", s.set.Config, name, err)
		}
	}
	return nil
}

// openInside makes what is behind the front: WebSockets, and HTTP.
func (s *server) openInside() (err error) {
	o := s.set.Link()
	o.Log, o.Gone, o.Dead = s.log, s.front.Leave, s.dead
	o.Settled = settled
	o.Reader = os.Getenv("TOPICD_READER") // poll or goroutine, to measure and to rule one out; default the best
	if s.link, err = link.New(s.hub, o); err != nil {
		return err
	}
	s.sockets = ws.New(s.link, ws.Options{
		Open: s.router.Open, Subprotocols: s.router.Protos(), Arrival: arrival,
		CheckOrigin: func(*http.Request) bool { return true }, // the front has
	})
	s.web = web.New(web.Config{
		Hub: s.hub, Version: version, Listeners: s.front, Access: s.gate, Dashboard: s.front.Dashboard, Origin: s.front.Origin, Kept: s.topics.Kept,
		Dialects: s.router.Plugs(), Store: s.store(), Uplink: s.uplinkStatus, Metrics: s.uplinkMetrics,
	})
	return nil
}

// settled gives back what many connections that came at once leave: threads, the code
// of their handshakes, and garbage.
func settled() {
	supervisor.EndThreads()
	debug.FreeOSMemory()
	supervisor.DropPages()
}

// shutdown ends everything, in this order: nobody is told to come any more,
// nobody is let in, everybody is told to go and gets what is still owed for at
// most a second.
func (s *server) shutdown() {
	_ = s.manager.Tell(supervisor.Stopping)
	if s.adv != nil {
		s.adv.Close()
	}
	s.stopSide()
	s.front.Close()
	s.web.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.link.Shutdown(ctx)
	s.web.Drain(ctx)
	s.front.End()
	s.web.Wait()
	if s.profiles != nil {
		s.profiles.Close()
	}
	s.side.Wait()
	s.gate.Finish()
	s.stopUplink()
	s.router.Close()
	s.topics.Save()
	if s.set.KeepOnExit {
		s.state.Carry(s.hub, s.log)
	}
	if s.disk != nil {
		if err := s.disk.Close(); err != nil {
			s.log.Error("not all readings of durable topics are on disk", "err", err)
		}
	}
	s.hub.Close()
	s.state.Close()
	s.log.Info("stopped")
}
