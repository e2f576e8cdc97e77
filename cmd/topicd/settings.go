package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/codec"
	"topicd/node"
	"topicd/node/access"
	"topicd/node/client"
	"topicd/node/dialect/mws"
	"topicd/node/link"
	"topicd/node/store"
	"topicd/node/uplink"
)

// settings are what serve can be told, by flag, environment, file or default.
type settings struct {
	listen []string
	state  string
	config string
	iface  []string

	mdns, sense, keepOnExit flags.Switch
	memory                  flags.Size
	topicCap                flags.Size
	maxFrame                flags.Size
	pace                    time.Duration
	limits                  string
	logFormat               string
	logLevel                string
	pprof                   string

	access     string
	hosts      []string
	origins    []string
	lan        []string
	adminFile  string
	adminToken string // of the environment
	joined     access.Patterns
	tls        string
	tlsListen  []string

	mqttListen, mqttTLSListen []string
	mqttPayload               string
	homeAssistant             string

	sessions, topics, subs, rate int
	perAddress, requests, pings  int
	sessionTopics                int
	loopback                     flags.Switch
	header, idle                 time.Duration
	byteRate                     flags.Size
	keep, stale                  time.Duration

	static map[string]*topicSetting

	durable []string
	store   store.Options
	uplink  uplink.Options
	center  uplink.Options // of which url, stream and what lets it in count

	uplinkEnc string

	mws mws.Config

	set     flags.Set
	reading bool // they are only looked at: nothing is written

	unknown, near []string // variables that are no settings, and what each may have meant
}

// topicSetting declares a static topic.
type topicSetting struct {
	cap     flags.Size
	stale   time.Duration
	durable flags.Switch

	writable flags.Switch
	min, max float64
}

func newSettings() *settings {
	return &settings{
		listen: []string{":" + client.HubPort}, mdns: true, sense: true, keepOnExit: true,
		memory: 16 << 20, topicCap: 64 << 10, maxFrame: 1 << 20, pace: 2 * time.Millisecond,
		limits: "default", logFormat: "text", logLevel: "info",
		sessions: 1024, subs: 256, rate: 10_000, byteRate: 16 << 20,
		perAddress: 64, requests: 1000, pings: 20, sessionTopics: 4096, header: 5 * time.Second, idle: 30 * time.Second,
		keep: 10 * time.Minute, stale: time.Minute,
		homeAssistant: "auto", mqttPayload: "json",
		access: access.LAN, tls: "off", joined: access.Patterns{Publish: []string{"#"}, Subscribe: []string{"#"}},
		static: map[string]*topicSetting{},
		store:  store.Options{Bytes: store.DefaultBytes, Sync: store.DefaultSync, Forget: store.DefaultForget, Devices: 1024},
		mws:    mws.Config{Access: "none", EDS: mws.EDSConfig{Read: []string{"*"}, Write: []string{"*"}}},

		uplinkEnc: "json",
	}
}

// flags are all settings but those that have a name in the file: static topics,
// and addresses with a dialect of their own.
func (s *settings) flags(fs *pflag.FlagSet) {
	s.set = flags.Set{All: fs, Prefix: "TOPICD_", Named: map[string]func(string) (*pflag.FlagSet, error){"topic": s.topicFlags}}
	const here = "belongs on the command line: this file is looked for there"
	s.set.Elsewhere = map[string]string{"state": here, "config": here}
	s.set.Add("", "", s.topFlags)
	s.set.Add("limits", "", s.limitFlags)
	s.set.Add("join", "join-", s.joinFlags)
	s.set.Add("eds", "eds-", s.edsFlags)
	s.set.Add("store", "store-", s.storeFlags)
	s.set.Add("mqtt", "mqtt-", s.mqttFlags)
	s.set.Add("uplink", "uplink-", s.uplinkFlags)
	s.set.Add("center", "from-nats-", s.centerFlags)
}

// topFlags are the keys at the top of the file.
func (s *settings) topFlags(fs *pflag.FlagSet) {
	fs.Var(&flags.List{V: &s.listen, Check: checkListen}, "listen", "`ADDR` to serve on, repeatable: :22345, 127.0.0.1:8080, :1234,dialect=echo for one dialect only, of "+strings.Join(dialectNames(), ", ")+" (env PORT sets the port)")
	fs.StringVar(&s.state, "state", "", "`DIR` for what must outlive a restart (default $XDG_STATE_HOME/topicd, /var/lib/topicd for root)")
	fs.StringVar(&s.config, "config", "", "configuration `FILE` (default STATE/topicd.toml, written at first start)")
	fs.Var(&s.mdns, "mdns", "tell the local network where this hub is")
	fs.Var(&s.sense, "sense", "publish this board's own sensors under gateway/<hostname>/")
	fs.Var(&flags.List{V: &s.iface}, "iface", "network interface `NAME` for --mdns, repeatable (default all that look like a LAN)")
	fs.Var(flags.Choice(&s.access, "lan|token|join"), "access", "who needs a token: all but the LAN's, everybody, or everybody while devices may join to get theirs")
	fs.Var(&flags.List{V: &s.lan, Check: access.CheckPrefix}, "lan", "`PREFIX` of addresses that count as the LAN's too, repeatable: 2001:db8:7::/48, 100.64.0.0/10")
	fs.Var(&flags.List{V: &s.hosts}, "host", "`NAME` of this hub beside its addresses, localhost and *.local, repeatable")
	fs.Var(&flags.List{V: &s.origins, Check: access.CheckOrigin}, "origin", "`ORIGIN` of pages elsewhere that may use this hub, repeatable: https://app.example")
	fs.Var(flags.Checked(&s.tls, checkTLS), "tls", "off, auto (a certificate of its own, made at first start, that clients pin) or `CERT,KEY` files")
	fs.Var(&flags.List{V: &s.tlsListen, Check: checkListen}, "tls-listen", "`ADDR` to serve TLS on, repeatable, while --listen stays plain")
	fs.Var(&flags.List{V: &s.mqttListen, Check: checkMQTT}, "mqtt-listen", "`ADDR` to serve MQTT on, repeatable, or off (default :1883 if nobody else has it and no --listen was given)")
	fs.Var(&flags.List{V: &s.mqttTLSListen, Check: checkMQTT}, "mqtt-tls-listen", "`ADDR` to serve MQTT over TLS on, repeatable: :8883")
	fs.Var(flags.Checked(&s.homeAssistant, checkPrefix), "homeassistant", "tell Home Assistant of sensors, by discovery over MQTT: auto (once somebody asks for it), on, off, or a `PREFIX` that is not homeassistant")
	fs.StringVar(&s.adminFile, "admin-token-file", "", "`FILE` with the admin token (env TOPICD_ADMIN_TOKEN is the token itself; default STATE/admin-token, made at first start)")
	fs.Var(&s.memory, "memory", "budget of all stored readings together, with what durable topics take beside the disk")
	fs.Var(&s.topicCap, "topic-cap", "bytes that one topic may hold in memory")
	fs.Var(&flags.List{V: &s.durable, Check: flags.Pattern}, "durable", "`PATTERN` of topics that are kept on disk, repeatable: plant/#")
	fs.Var(&s.keepOnExit, "keep-on-exit", "a clean stop keeps each topic's newest reading and its history of minutes for the next start")
	fs.Var(&s.maxFrame, "max-frame", "largest message taken from a client")
	fs.Var(flags.Span(&s.pace), "pace", "time between two writes to a busy client; 0 = none")
	fs.Var(flags.Choice(&s.limits, "default|bench"), "limits", "bench lifts the limits on counts and rates that no flag and no variable sets, for load tests on loopback")
	fs.Var(flags.Choice(&s.logFormat, "text|json"), "log-format", "how the log on stderr is written")
	fs.Var(flags.Choice(&s.logLevel, "debug|info|warn|error"), "log-level", "what is left out of it")
	fs.Var(flags.Choice(&s.mws.Access, "none|custom|eds"), "mws-access", "who may use the Managed WebSocket's REST: the hub's own rights, the admin token, or a token that EDS knows")
	fs.StringVar(&s.mws.URL, "mws-url", "", "`URL` that Managed WebSockets connect to, where a proxy stands before the hub: wss://hub.example.org (default as the request came)")
	s.profileFlag(fs)
}

// limitFlags are the keys of the file's [limits].
func (s *settings) limitFlags(fs *pflag.FlagSet) {
	fs.Var(flags.Count(&s.sessions, 0), "sessions", "connections at most")
	fs.Var(flags.Count(&s.topics, 0), "topics", "topics at most; 0 = one per KiB of memory")
	fs.Var(flags.Count(&s.subs, 0), "subscriptions", "subscriptions of one connection")
	fs.Var(flags.Count(&s.rate, -1), "rate", "requests per second and connection; -1 = no limit")
	fs.Var(&s.byteRate, "byte-rate", "bytes of requests per second and connection")
	fs.Var(flags.Count(&s.perAddress, 0), "per-address", "connections of one address; 0 = no limit")
	fs.Var(flags.Count(&s.requests, 0), "requests", "HTTP requests per second and address; 0 = no limit")
	fs.Var(&s.loopback, "loopback", "count this machine's addresses too")
	fs.Var(flags.Count(&s.pings, 0), "pings", "pings of one connection per second; 0 = no limit")
	fs.Var(flags.Count(&s.sessionTopics, 0), "session-topics", "topics that one connection may make in the time of keep; 0 = no limit")
	fs.Var(flags.Span(&s.header), "header", "an HTTP request's head must be there in this time")
	fs.Var(flags.Span(&s.idle), "idle", "an HTTP connection may wait so long for the next request")
	fs.Var(flags.Span(&s.keep), "keep", "an unused dynamic topic lives so long")
	fs.Var(flags.Span(&s.stale), "stale", "a connection not heard of for so long is stale")
}

// storeFlags are the keys of the file's [store], without store- there.
func (s *settings) storeFlags(fs *pflag.FlagSet) {
	fs.Var((*flags.Size)(&s.store.Bytes), "store-bytes", "bytes on disk of all durable topics together: the oldest readings go first")
	fs.Var(flags.Span(&s.store.Age), "store-age", "durable readings go after so long; 0 = when there is no room")
	fs.Var(flags.Span(&s.store.Sync), "store-sync", "a durable reading waits at most so long for its fsync, and its publisher for the answer; 0 = none")
	fs.Var(flags.Span(&s.store.Forget), "store-forget", "a durable subscription that nobody came back to for so long ends")
}

// topicFlags are the keys of the file's [topic."NAME"], which declares a static topic.
func (s *settings) topicFlags(name string) (*pflag.FlagSet, error) {
	if bad := codec.CheckTopic([]byte(name)); bad != nil {
		return nil, errors.New(bad.Msg)
	}
	t := &topicSetting{}
	s.static[name] = t
	fs := pflag.NewFlagSet("topic", pflag.ContinueOnError)
	fs.Var(&t.cap, "cap", "bytes that it may hold")
	fs.Var(flags.Span(&t.stale), "stale", "without a reading for so long it is stale")
	fs.Var(&t.durable, "durable", "it is kept on disk")
	fs.Var(&t.writable, "writable", "it is a set-point, which Home Assistant may set")
	fs.Float64Var(&t.min, "min", 0, "the least that it is set to")
	fs.Float64Var(&t.max, "max", 0, "the most")
	return fs, nil
}

// mqttFlags are the keys of the file's [mqtt], without mqtt- there.
func (s *settings) mqttFlags(fs *pflag.FlagSet) {
	fs.Var(flags.Choice(&s.mqttPayload, "json|value"), "mqtt-payload", "what MQTT's subscribers get of a SenML record with a number that others published: the record, or the bare number")
}

// joinFlags are the keys of the file's [join], without join- there: what a device
// that joined may do.
func (s *settings) joinFlags(fs *pflag.FlagSet) {
	pattern := func(text string) error { return flags.Pattern(strings.ReplaceAll(text, "{dev}", "x")) }
	fs.Var(&flags.List{V: &s.joined.Publish, Check: pattern}, "join-publish", "`PATTERN` of topics that a device which joined may publish to, repeatable; {dev} is its id")
	fs.Var(&flags.List{V: &s.joined.Subscribe, Check: pattern}, "join-subscribe", "`PATTERN` of topics that a device which joined may read, repeatable")
	fs.Var(&flags.List{V: &s.joined.Manage, Check: pattern}, "join-manage", "`PATTERN` of topics that a device which joined may make and delete, repeatable")
}

// mqttOnly gives an address to MQTT.
const mqttOnly = ",dialect=mqtt"

// mqtt are the addresses of MQTT, as those of --listen and --tls-listen. perhaps
// is one that is served if nobody else has it.
func (s *settings) mqtt() (plain, encrypted []string, perhaps string) {
	only := func(addrs []string) (out []string) {
		for _, a := range addrs {
			if a != "off" {
				out = append(out, a+mqttOnly)
			}
		}
		return out
	}
	plain, encrypted = only(s.mqttListen), only(s.mqttTLSListen)
	if len(s.mqttListen) == 0 && len(s.mqttTLSListen) == 0 && !s.set.Given("listen") {
		perhaps = ":1883" + mqttOnly
		if s.tls != "off" && len(s.tlsListen) == 0 { // then everything is encrypted
			perhaps = ":8883" + mqttOnly
		}
	}
	return plain, encrypted, perhaps
}

// strangers are variables that look like a setting and are none, and what each may
// have meant.
func (s *settings) strangers(environ []string) (names, near []string) {
	return s.set.Strangers(environ, "TOPICD_ADMIN_TOKEN", "TOPICD_TOKEN", "TOPICD_HUB", "TOPICD_READER")
}

// bench lifts the limits that a load test on one machine runs into, but for those
// that the command line or the environment sets. Memory too, unless anybody said
// how much: 100,000 topics do not fit into 16 MiB.
func (s *settings) bench() {
	for name, value := range map[string]string{
		"sessions": "20000", "topics": strconv.Itoa(node.MaxTopics), "subscriptions": strconv.Itoa(node.MaxSubs), "rate": "-1",
		"per-address": "0", "requests": "0", "pings": "0", "session-topics": "0",
	} {
		if f := s.set.All.Lookup(name); !f.Changed {
			_ = f.Value.Set(value)
		}
	}
	if !s.set.Given("memory") {
		s.memory = 64 << 20
	}
}

// hub are the settings that the core knows.
func (s *settings) hub(name string) node.Options {
	return node.Options{
		Memory: int64(s.memory) - s.storeMemory(), TopicCap: int(s.topicCap), MaxBody: int(s.maxFrame),
		Topics: s.topicLimit(), Sessions: s.sessions, Subs: s.subs, Rate: s.rate, ByteRate: int(s.byteRate),
		Made: s.sessionTopics, Keep: s.keep, Stale: s.stale, Name: name,
	}
}

// link are the settings that the transport knows.
func (s *settings) link() link.Options {
	o := link.Options{MaxFrame: int(s.maxFrame), Pace: s.pace, Pings: s.pings}
	if o.Pace == 0 {
		o.Pace = -1
	}
	return o
}

// maxMemory is what the arena can number, and on 32 bit half of what a process has.
const maxMemory = min(1<<38, math.MaxInt/2+1)

// check refuses settings that cannot be meant, or cannot be kept: the words that
// hold them are of 32 bit in places.
func (s *settings) check() error {
	type bounds struct {
		name        string
		v           flags.Size
		least, most flags.Size
	}
	for _, b := range []bounds{
		{"memory", s.memory, 1 << 20, maxMemory},
		{"store-bytes", flags.Size(s.store.Bytes), store.MinBytes, 1 << 40},
		{"topic-cap", s.topicCap, 1 << 10, node.MaxCap},
		{"max-frame", s.maxFrame, 1 << 10, node.MaxData},
		{"byte-rate", s.byteRate, 1 << 10, math.MaxInt32},
	} {
		if b.v < b.least || b.v > b.most {
			return command.Wrong("%s: %s is not between %s and %s", b.name, &b.v, &b.least, &b.most)
		}
	}
	for name, t := range s.static {
		if t.cap > node.MaxCap || t.stale > node.MaxKeep {
			return command.Wrong("topic %q: cap is at most %d bytes, stale at most %d seconds", name, node.MaxCap, node.MaxKeep/time.Second)
		}
	}
	switch {
	case s.maxFrame > s.memory/4:
		return command.Wrong("max-frame: %s is more than a quarter of memory (%s)", &s.maxFrame, &s.memory)
	case s.topics > node.MaxTopics:
		return command.Wrong("topics: %d is more than %d", s.topics, node.MaxTopics)
	case s.subs > node.MaxSubs:
		return command.Wrong("subscriptions: %d is more than %d", s.subs, node.MaxSubs)
	case s.keep > node.MaxKeep || s.stale > node.MaxKeep:
		return command.Wrong("keep and stale: at most %d seconds", node.MaxKeep/time.Second)
	case s.pace > 10*time.Second:
		return command.Wrong("pace: %v is more than 10s", s.pace)
	}
	if err := s.mws.Check(); err != nil {
		return command.Wrong("%w", err)
	}
	return nil
}
