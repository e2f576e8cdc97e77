package main

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"topicd/codec"
	"topicd/node"
	"topicd/node/access"
	"topicd/node/front"
	"topicd/node/web"
	"topicd/node/wsock"
)

// defaultPort: unassigned, easy to type, and not a port a browser refuses.
const defaultPort = "22345"

// settings are what serve can be told, by flag, environment, file or default.
type settings struct {
	listen    []string
	state     string
	config    string
	mdns      switchValue
	sense     switchValue
	iface     []string
	memory    size
	topicCap  size
	maxFrame  size
	pace      time.Duration
	limits    string
	logFormat string
	logLevel  string
	pprof     string

	access     string
	hosts      []string
	origins    []string
	lan        []string
	adminFile  string
	adminToken string // of the environment
	joined     access.Patterns
	tls        string
	tlsListen  []string

	sessions, topics, subs, rate int
	perAddress, requests, pings  int
	sessionTopics                int
	loopback                     switchValue
	header, idle                 time.Duration
	byteRate                     size
	keep, stale                  time.Duration

	static map[string]*topicSetting

	mws mwsSettings
}

// topicSetting declares a static topic.
type topicSetting struct {
	cap   size
	stale time.Duration
}

func newSettings() *settings {
	return &settings{
		listen: []string{":" + defaultPort}, mdns: true, sense: true,
		memory: 16 << 20, topicCap: 64 << 10, maxFrame: 64 << 10, pace: 2 * time.Millisecond,
		limits: "default", logFormat: "text", logLevel: "info",
		sessions: 1024, subs: 256, rate: 10_000, byteRate: 16 << 20,
		perAddress: 64, requests: 1000, pings: 20, sessionTopics: 4096, header: 5 * time.Second, idle: 30 * time.Second,
		keep: 10 * time.Minute, stale: time.Minute,
		access: access.LAN, tls: "off", joined: access.Patterns{Publish: []string{"#"}, Subscribe: []string{"#"}},
		static: map[string]*topicSetting{},
		mws:    mwsSettings{access: "none", eds: web.EDSConfig{Read: []string{"*"}, Write: []string{"*"}}},
	}
}

// flags are the settings that the command line has; the file has them too.
func (s *settings) flags(fs *pflag.FlagSet) {
	fs.Var(&list{v: &s.listen, check: checkListen}, "listen", "`ADDR` to serve on, repeatable: :22345, 127.0.0.1:8080, :1234,dialect=echo for one dialect only (env PORT sets the port)")
	fs.StringVar(&s.state, "state", "", "`DIR` for what must outlive a restart (default $XDG_STATE_HOME/topicd, /var/lib/topicd for root)")
	fs.StringVar(&s.config, "config", "", "configuration `FILE` (default STATE/topicd.toml, written at first start)")
	fs.Var(&s.mdns, "mdns", "tell the local network where this hub is")
	fs.Var(&s.sense, "sense", "publish this board's own sensors under gateway/<hostname>/")
	fs.Var(&list{v: &s.iface}, "iface", "network interface `NAME` for --mdns, repeatable (default all that look like a LAN)")
	fs.Var(choice{&s.access, "lan|token|join"}, "access", "who needs a token: all but the LAN's, everybody, or everybody while devices may join to get theirs")
	fs.Var(&list{v: &s.lan, check: checkPrefix}, "lan", "`PREFIX` of addresses that count as the LAN's too, repeatable: 2001:db8:7::/48, 100.64.0.0/10")
	fs.Var(&list{v: &s.hosts}, "host", "`NAME` of this hub beside its addresses, localhost and *.local, repeatable")
	fs.Var(&list{v: &s.origins, check: checkOrigin}, "origin", "`ORIGIN` of pages elsewhere that may use this hub, repeatable: https://app.example")
	fs.Var(checked{&s.tls, checkTLS}, "tls", "off, auto (a certificate of its own, made at first start, that clients pin) or `CERT,KEY` files")
	fs.Var(&list{v: &s.tlsListen, check: checkListen}, "tls-listen", "`ADDR` to serve TLS on, repeatable, while --listen stays plain")
	fs.StringVar(&s.adminFile, "admin-token-file", "", "`FILE` with the admin token (env TOPICD_ADMIN_TOKEN is the token itself; default STATE/admin-token, made at first start)")
	fs.Var(&s.memory, "memory", "budget of all stored readings together")
	fs.Var(&s.topicCap, "topic-cap", "bytes that one topic may hold")
	fs.Var(&s.maxFrame, "max-frame", "largest message taken from a client")
	fs.Var(span{&s.pace}, "pace", "time between two writes to a busy client; 0 = none")
	fs.Var(choice{&s.limits, "default|bench"}, "limits", "bench lifts the limits on counts and rates, for load tests on loopback")
	fs.Var(choice{&s.logFormat, "text|json"}, "log-format", "how the log on stderr is written")
	fs.Var(choice{&s.logLevel, "debug|info|warn|error"}, "log-level", "what is left out of it")
	fs.Var(choice{&s.mws.access, "none|custom|eds"}, "mws-access", "who may use the Managed WebSocket's REST: the hub's own rights, the admin token, or a token that EDS knows")
	fs.StringVar(&s.mws.url, "mws-url", "", "`URL` that Managed WebSockets connect to, where a proxy stands before the hub: wss://hub.example.org (default as the request came)")
	fs.StringVar(&s.pprof, "pprof", "", "serve profiles at http://`ADDR`/debug/pprof/; a bare port is loopback only (default off)")
}

// limitFlags are the keys of the file's [limits].
func (s *settings) limitFlags(fs *pflag.FlagSet) {
	fs.Var(count{v: &s.sessions}, "sessions", "connections at most")
	fs.Var(count{v: &s.topics}, "topics", "topics at most; 0 = one per KiB of memory")
	fs.Var(count{v: &s.subs}, "subscriptions", "subscriptions of one connection")
	fs.Var(count{&s.rate, true}, "rate", "requests per second and connection; -1 = no limit")
	fs.Var(&s.byteRate, "byte-rate", "bytes of requests per second and connection")
	fs.Var(count{v: &s.perAddress}, "per-address", "connections of one address; 0 = no limit")
	fs.Var(count{v: &s.requests}, "requests", "HTTP requests per second and address; 0 = no limit")
	fs.Var(&s.loopback, "loopback", "count this machine's addresses too")
	fs.Var(count{v: &s.pings}, "pings", "pings of one connection per second; 0 = no limit")
	fs.Var(count{v: &s.sessionTopics}, "session-topics", "topics that one connection may make in the time of keep; 0 = no limit")
	fs.Var(span{&s.header}, "header", "an HTTP request's head must be there in this time")
	fs.Var(span{&s.idle}, "idle", "an HTTP connection may wait so long for the next request")
	fs.Var(span{&s.keep}, "keep", "an unused dynamic topic lives so long")
	fs.Var(span{&s.stale}, "stale", "a connection not heard of for so long is stale")
}

// joinFlags are the keys of the file's [join]: what a device that joined may do.
func (s *settings) joinFlags(fs *pflag.FlagSet) {
	pattern := func(text string) error {
		if err := codec.CheckPattern([]byte(strings.ReplaceAll(text, "{dev}", "x"))); err != nil {
			return errors.New(err.Msg)
		}
		return nil
	}
	fs.Var(&list{v: &s.joined.Publish, check: pattern}, "publish", "patterns that it may publish to")
	fs.Var(&list{v: &s.joined.Subscribe, check: pattern}, "subscribe", "patterns that it may read")
	fs.Var(&list{v: &s.joined.Manage, check: pattern}, "manage", "patterns that it may make and delete topics of")
}

func checkListen(text string) error {
	_, _, err := front.Split(text, dialectNames)
	return err
}

// env overrides what the command line left alone: TOPICD_TOPIC_CAP is
// --topic-cap, and PORT is the port of --listen.
func (s *settings) env(fs *pflag.FlagSet, getenv func(string) string) (err error) {
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Changed || err != nil {
			return
		}
		name := "TOPICD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		v := getenv(name)
		if v == "" && f.Name == "mws-access" {
			name, v = "ACCESS_CONTROL", getenv("ACCESS_CONTROL")
		}
		if v == "" && f.Name == "listen" {
			if name, v = "PORT", getenv("PORT"); v != "" {
				v = ":" + v
			}
		}
		if v == "" {
			return
		}
		if bad := fs.Set(f.Name, v); bad != nil {
			err = usage("%s: %w", name, bad)
		}
	})
	return err
}

// stateDir is where the state is when nothing else was said, "" = nowhere.
func stateDir(getenv func(string) string, root bool) string {
	switch {
	case getenv("XDG_STATE_HOME") != "":
		return filepath.Join(getenv("XDG_STATE_HOME"), "topicd")
	case root:
		return "/var/lib/topicd"
	case getenv("HOME") != "":
		return filepath.Join(getenv("HOME"), ".local", "state", "topicd")
	}
	return "" // not below /tmp: who made it there before us would know the admin token
}

// bench lifts the limits that a load test on one machine runs into. Memory too:
// 100,000 topics do not fit into 16 MiB.
func (s *settings) bench() {
	s.sessions, s.topics, s.subs, s.rate = 20_000, 1<<20-1, 4095, -1
	s.perAddress, s.requests, s.pings, s.sessionTopics = 0, 0, 0, 0
	if s.memory == newSettings().memory {
		s.memory = 64 << 20
	}
}

// hub are the settings that the core knows.
func (s *settings) hub(name string) node.Options {
	return node.Options{
		Memory: int64(s.memory), TopicCap: int(s.topicCap), MaxBody: int(s.maxFrame),
		Topics: s.topics, Sessions: s.sessions, Subs: s.subs, Rate: s.rate, ByteRate: int(s.byteRate),
		Made: s.sessionTopics, Keep: s.keep, Stale: s.stale, Name: name,
	}
}

// wsock are the settings that the transport knows.
func (s *settings) wsock() wsock.Options {
	o := wsock.Options{MaxFrame: int(s.maxFrame), Pace: s.pace, Pings: s.pings}
	if o.Pace == 0 {
		o.Pace = -1
	}
	return o
}

// check refuses settings that cannot be meant.
func (s *settings) check() error {
	switch {
	case s.memory < 1<<20:
		return usage("memory: %s is less than 1MiB", &s.memory)
	case s.topicCap < 1<<10:
		return usage("topic-cap: %s is less than 1KiB", &s.topicCap)
	case s.maxFrame < 1<<10 || s.maxFrame > 64<<20:
		return usage("max-frame: %s is not between 1KiB and 64MiB", &s.maxFrame)
	case s.maxFrame > s.memory/4:
		return usage("max-frame: %s is more than a quarter of memory (%s)", &s.maxFrame, &s.memory)
	case s.pace > 10*time.Second:
		return usage("pace: %v is more than 10s", s.pace)
	}
	return s.mws.check()
}
