package settings

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

// Settings are what serve can be told, by flag, environment, file or default.
type Settings struct {
	Listen []string
	State  string
	Config string
	Ifaces []string

	MDNS, Sense, KeepOnExit flags.Switch
	Memory                  flags.Size
	TopicCap                flags.Size
	MaxFrame                flags.Size
	Pace                    time.Duration
	Limits                  string
	LogFormat               string
	LogLevel                string
	Pprof                   string

	Access     string
	Hosts      []string
	Origins    []string
	LAN        []string
	AdminFile  string
	AdminToken string // of the environment
	Joined     access.Patterns
	TLS        string
	TLSListen  []string

	MQTTListen, MQTTTLSListen []string
	MQTTPayload               string
	HomeAssistant             string

	Sessions, Topics, Subs, Rate int
	PerAddress, Requests, Pings  int
	SessionTopics                int
	Loopback                     flags.Switch
	Header, Idle                 time.Duration
	ByteRate                     flags.Size
	Keep, Stale                  time.Duration

	Static map[string]*Topic

	Durable []string
	Store   store.Options
	Uplink  uplink.Options
	Center  uplink.Options // of which url, stream and what lets it in count

	UplinkEnc string

	MWS mws.Config

	Set     flags.Set
	reading bool // they are only looked at: nothing is written

	program Program
}

// Topic declares a static topic.
type Topic struct {
	Cap               flags.Size
	Stale             time.Duration
	Durable, Writable flags.Switch
	Min, Max          float64
}

// Program is what the settings have to know of the program that has them.
type Program struct {
	Dialects func() []string                 // that an address may be given to
	Text     []byte                          // of the file that the first start writes
	More     func(*Settings, *pflag.FlagSet) // flags of some builds; nil: none
}

// New are the defaults.
func New(p Program) *Settings {
	return &Settings{
		program: p,

		Listen: []string{":" + client.HubPort}, MDNS: true, Sense: true, KeepOnExit: true,
		Memory: 16 << 20, TopicCap: 64 << 10, MaxFrame: 1 << 20, Pace: 2 * time.Millisecond,
		Limits: "default", LogFormat: "text", LogLevel: "info",
		Sessions: 1024, Subs: 256, Rate: 10_000, ByteRate: 16 << 20,
		PerAddress: 64, Requests: 1000, Pings: 20, SessionTopics: 4096, Header: 5 * time.Second, Idle: 30 * time.Second,
		Keep: 10 * time.Minute, Stale: time.Minute,
		HomeAssistant: "auto", MQTTPayload: "json",
		Access: access.LAN, TLS: "off", Joined: access.Patterns{Publish: []string{"#"}, Subscribe: []string{"#"}},
		Static: map[string]*Topic{},
		Store:  store.Options{Bytes: store.DefaultBytes, Sync: store.DefaultSync, Forget: store.DefaultForget, Devices: 1024},
		MWS:    mws.Config{Access: "none", EDS: mws.EDSConfig{Read: []string{"*"}, Write: []string{"*"}}},

		UplinkEnc: "json",
	}
}

// Flags defines the flags of all settings but those that have a name in the file: static topics,
// and addresses with a dialect of their own.
func (s *Settings) Flags(fs *pflag.FlagSet) {
	s.Set = flags.Set{All: fs, Prefix: "TOPICD_", Named: map[string]func(string) (*pflag.FlagSet, error){"topic": s.topicFlags}}
	const here = "belongs on the command line: this file is looked for there"
	s.Set.Elsewhere = map[string]string{"state": here, "config": here}
	s.Set.Add("", "", s.topFlags)
	s.Set.Add("limits", "", s.limitFlags)
	s.Set.Add("join", "join-", s.joinFlags)
	s.Set.Add("eds", "eds-", s.edsFlags)
	s.Set.Add("store", "store-", s.storeFlags)
	s.Set.Add("mqtt", "mqtt-", s.mqttFlags)
	s.Set.Add("uplink", "uplink-", s.uplinkFlags)
	s.Set.Add("center", "from-nats-", s.centerFlags)
}

// topFlags are the keys at the top of the file.
func (s *Settings) topFlags(fs *pflag.FlagSet) {
	fs.Var(&flags.List{V: &s.Listen, Check: s.checkListen}, "listen", "`ADDR` to serve on, repeatable: :22345, 127.0.0.1:8080, :1234,dialect=echo for one dialect only, of "+strings.Join(s.program.Dialects(), ", ")+" (env PORT sets the port)")
	fs.StringVar(&s.State, "state", "", "`DIR` for what must outlive a restart (default $XDG_STATE_HOME/topicd, /var/lib/topicd for root)")
	fs.StringVar(&s.Config, "config", "", "configuration `FILE` (default STATE/topicd.toml, written at first start)")
	fs.Var(&s.MDNS, "mdns", "tell the local network where this hub is")
	fs.Var(&s.Sense, "sense", "publish this board's own sensors under gateway/<hostname>/")
	fs.Var(&flags.List{V: &s.Ifaces}, "iface", "network interface `NAME` for --mdns, repeatable (default all that look like a LAN)")
	fs.Var(flags.Choice(&s.Access, "lan|token|join"), "access", "who needs a token: all but the LAN's, everybody, or everybody while devices may join to get theirs")
	fs.Var(&flags.List{V: &s.LAN, Check: access.CheckPrefix}, "lan", "`PREFIX` of addresses that count as the LAN's too, repeatable: 2001:db8:7::/48, 100.64.0.0/10")
	fs.Var(&flags.List{V: &s.Hosts}, "host", "`NAME` of this hub beside its addresses, localhost and *.local, repeatable")
	fs.Var(&flags.List{V: &s.Origins, Check: access.CheckOrigin}, "origin", "`ORIGIN` of pages elsewhere that may use this hub, repeatable: https://app.example")
	fs.Var(flags.Checked(&s.TLS, checkTLS), "tls", "off, auto (a certificate of its own, made at first start, that clients pin) or `CERT,KEY` files")
	fs.Var(&flags.List{V: &s.TLSListen, Check: s.checkListen}, "tls-listen", "`ADDR` to serve TLS on, repeatable, while --listen stays plain")
	fs.Var(&flags.List{V: &s.MQTTListen, Check: s.checkMQTT}, "mqtt-listen", "`ADDR` to serve MQTT on, repeatable, or off (default :1883 if nobody else has it and no --listen was given)")
	fs.Var(&flags.List{V: &s.MQTTTLSListen, Check: s.checkMQTT}, "mqtt-tls-listen", "`ADDR` to serve MQTT over TLS on, repeatable: :8883")
	fs.Var(flags.Checked(&s.HomeAssistant, checkPrefix), "homeassistant", "tell Home Assistant of sensors, by discovery over MQTT: auto (once somebody asks for it), on, off, or a `PREFIX` that is not homeassistant")
	fs.StringVar(&s.AdminFile, "admin-token-file", "", "`FILE` with the admin token (env TOPICD_ADMIN_TOKEN is the token itself; default STATE/admin-token, made at first start)")
	fs.Var(&s.Memory, "memory", "budget of all stored readings together, with what durable topics take beside the disk")
	fs.Var(&s.TopicCap, "topic-cap", "bytes that one topic may hold in memory")
	fs.Var(&flags.List{V: &s.Durable, Check: flags.Pattern}, "durable", "`PATTERN` of topics that are kept on disk, repeatable: plant/#")
	fs.Var(&s.KeepOnExit, "keep-on-exit", "a clean stop keeps each topic's newest reading and its history of minutes for the next start")
	fs.Var(&s.MaxFrame, "max-frame", "largest message taken from a client")
	fs.Var(flags.Span(&s.Pace), "pace", "time between two writes to a busy client; 0 = none")
	fs.Var(flags.Choice(&s.Limits, "default|bench"), "limits", "bench lifts the limits on counts and rates that no flag and no variable sets, for load tests on loopback")
	fs.Var(flags.Choice(&s.LogFormat, "text|json"), "log-format", "how the log on stderr is written")
	fs.Var(flags.Choice(&s.LogLevel, "debug|info|warn|error"), "log-level", "what is left out of it")
	fs.Var(flags.Choice(&s.MWS.Access, "none|custom|eds"), "mws-access", "who may use the Managed WebSocket's REST: the hub's own rights, the admin token, or a token that EDS knows")
	fs.StringVar(&s.MWS.URL, "mws-url", "", "`URL` that Managed WebSockets connect to, where a proxy stands before the hub: wss://hub.example.org (default as the request came)")
	if s.program.More != nil {
		s.program.More(s, fs)
	}
}

// limitFlags are the keys of the file's [limits].
func (s *Settings) limitFlags(fs *pflag.FlagSet) {
	fs.Var(flags.Count(&s.Sessions, 0), "sessions", "connections at most")
	fs.Var(flags.Count(&s.Topics, 0), "topics", "topics at most; 0 = one per KiB of memory")
	fs.Var(flags.Count(&s.Subs, 0), "subscriptions", "subscriptions of one connection")
	fs.Var(flags.Count(&s.Rate, -1), "rate", "requests per second and connection; -1 = no limit")
	fs.Var(&s.ByteRate, "byte-rate", "bytes of requests per second and connection")
	fs.Var(flags.Count(&s.PerAddress, 0), "per-address", "connections of one address; 0 = no limit")
	fs.Var(flags.Count(&s.Requests, 0), "requests", "HTTP requests per second and address; 0 = no limit")
	fs.Var(&s.Loopback, "loopback", "count this machine's addresses too")
	fs.Var(flags.Count(&s.Pings, 0), "pings", "pings of one connection per second; 0 = no limit")
	fs.Var(flags.Count(&s.SessionTopics, 0), "session-topics", "topics that one connection may make in the time of keep; 0 = no limit")
	fs.Var(flags.Span(&s.Header), "header", "an HTTP request's head must be there in this time")
	fs.Var(flags.Span(&s.Idle), "idle", "an HTTP connection may wait so long for the next request")
	fs.Var(flags.Span(&s.Keep), "keep", "an unused dynamic topic lives so long")
	fs.Var(flags.Span(&s.Stale), "stale", "a connection not heard of for so long is stale")
}

// storeFlags are the keys of the file's [store], without store- there.
func (s *Settings) storeFlags(fs *pflag.FlagSet) {
	fs.Var((*flags.Size)(&s.Store.Bytes), "store-bytes", "bytes on disk of all durable topics together: the oldest readings go first")
	fs.Var(flags.Span(&s.Store.Age), "store-age", "durable readings go after so long; 0 = when there is no room")
	fs.Var(flags.Span(&s.Store.Sync), "store-sync", "a durable reading waits at most so long for its fsync, and its publisher for the answer; 0 = none")
	fs.Var(flags.Span(&s.Store.Forget), "store-forget", "a durable subscription that nobody came back to for so long ends")
}

// topicFlags are the keys of the file's [topic."NAME"], which declares a static topic.
func (s *Settings) topicFlags(name string) (*pflag.FlagSet, error) {
	if bad := codec.CheckTopic([]byte(name)); bad != nil {
		return nil, errors.New(bad.Msg)
	}
	t := &Topic{}
	s.Static[name] = t
	fs := pflag.NewFlagSet("topic", pflag.ContinueOnError)
	fs.Var(&t.Cap, "cap", "bytes that it may hold")
	fs.Var(flags.Span(&t.Stale), "stale", "without a reading for so long it is stale")
	fs.Var(&t.Durable, "durable", "it is kept on disk")
	fs.Var(&t.Writable, "writable", "it is a set-point, which Home Assistant may set")
	fs.Float64Var(&t.Min, "min", 0, "the least that it is set to")
	fs.Float64Var(&t.Max, "max", 0, "the most")
	return fs, nil
}

// mqttFlags are the keys of the file's [mqtt], without mqtt- there.
func (s *Settings) mqttFlags(fs *pflag.FlagSet) {
	fs.Var(flags.Choice(&s.MQTTPayload, "json|value"), "mqtt-payload", "what MQTT's subscribers get of a SenML record with a number that others published: the record, or the bare number")
}

// joinFlags are the keys of the file's [join], without join- there: what a device
// that joined may do.
func (s *Settings) joinFlags(fs *pflag.FlagSet) {
	pattern := func(text string) error { return flags.Pattern(strings.ReplaceAll(text, "{dev}", "x")) }
	fs.Var(&flags.List{V: &s.Joined.Publish, Check: pattern}, "join-publish", "`PATTERN` of topics that a device which joined may publish to, repeatable; {dev} is its id")
	fs.Var(&flags.List{V: &s.Joined.Subscribe, Check: pattern}, "join-subscribe", "`PATTERN` of topics that a device which joined may read, repeatable")
	fs.Var(&flags.List{V: &s.Joined.Manage, Check: pattern}, "join-manage", "`PATTERN` of topics that a device which joined may make and delete, repeatable")
}

// mqttOnly gives an address to MQTT.
const mqttOnly = ",dialect=mqtt"

// MQTT are the addresses of MQTT, as those of --listen and --tls-listen. perhaps
// is one that is served if nobody else has it.
func (s *Settings) MQTT() (plain, encrypted []string, perhaps string) {
	only := func(addrs []string) (out []string) {
		for _, a := range addrs {
			if a != "off" {
				out = append(out, a+mqttOnly)
			}
		}
		return out
	}
	plain, encrypted = only(s.MQTTListen), only(s.MQTTTLSListen)
	if len(s.MQTTListen) == 0 && len(s.MQTTTLSListen) == 0 && !s.Set.Given("listen") {
		perhaps = ":1883" + mqttOnly
		if s.TLS != "off" && len(s.TLSListen) == 0 { // then everything is encrypted
			perhaps = ":8883" + mqttOnly
		}
	}
	return plain, encrypted, perhaps
}

// Strangers are variables that look like a setting and are none, and what each may
// have meant.
func (s *Settings) Strangers(environ []string) (names, near []string) {
	return s.Set.Strangers(environ, "TOPICD_ADMIN_TOKEN", "TOPICD_TOKEN", "TOPICD_HUB", "TOPICD_READER")
}

// bench lifts the limits that a load test on one machine runs into, but for those
// that the command line or the environment sets. Memory too, unless anybody said
// how much: 100,000 topics do not fit into 16 MiB.
func (s *Settings) bench() {
	for name, value := range map[string]string{
		"sessions": "20000", "topics": strconv.Itoa(node.MaxTopics), "subscriptions": strconv.Itoa(node.MaxSubs), "rate": "-1",
		"per-address": "0", "requests": "0", "pings": "0", "session-topics": "0",
	} {
		if f := s.Set.All.Lookup(name); !f.Changed {
			_ = f.Value.Set(value)
		}
	}
	if !s.Set.Given("memory") {
		s.Memory = 64 << 20
	}
}

// Hub are the settings that the core knows.
func (s *Settings) Hub(name string) node.Options {
	return node.Options{
		Memory: int64(s.Memory) - s.storeMemory(), TopicCap: int(s.TopicCap), MaxBody: int(s.MaxFrame),
		Topics: s.topicLimit(), Sessions: s.Sessions, Subs: s.Subs, Rate: s.Rate, ByteRate: int(s.ByteRate),
		Made: s.SessionTopics, Keep: s.Keep, Stale: s.Stale, Name: name,
	}
}

// Link are the settings that the transport knows.
func (s *Settings) Link() link.Options {
	o := link.Options{MaxFrame: int(s.MaxFrame), Pace: s.Pace, Pings: s.Pings}
	if o.Pace == 0 {
		o.Pace = -1
	}
	return o
}

// maxMemory is what the arena can number, and on 32 bit half of what a process has.
const maxMemory = min(1<<38, math.MaxInt/2+1)

// check refuses settings that cannot be meant, or cannot be kept: the words that
// hold them are of 32 bit in places.
func (s *Settings) check() error {
	type bounds struct {
		name        string
		v           flags.Size
		least, most flags.Size
	}
	for _, b := range []bounds{
		{"memory", s.Memory, 1 << 20, maxMemory},
		{"store-bytes", flags.Size(s.Store.Bytes), store.MinBytes, 1 << 40},
		{"topic-cap", s.TopicCap, 1 << 10, node.MaxCap},
		{"max-frame", s.MaxFrame, 1 << 10, node.MaxData},
		{"byte-rate", s.ByteRate, 1 << 10, math.MaxInt32},
	} {
		if b.v < b.least || b.v > b.most {
			return command.Wrong("%s: %s is not between %s and %s", b.name, &b.v, &b.least, &b.most)
		}
	}
	for name, t := range s.Static {
		if t.Cap > node.MaxCap || t.Stale > node.MaxKeep {
			return command.Wrong("topic %q: cap is at most %d bytes, stale at most %d seconds", name, node.MaxCap, node.MaxKeep/time.Second)
		}
	}
	switch {
	case s.MaxFrame > s.Memory/4:
		return command.Wrong("max-frame: %s is more than a quarter of memory (%s)", &s.MaxFrame, &s.Memory)
	case s.Topics > node.MaxTopics:
		return command.Wrong("topics: %d is more than %d", s.Topics, node.MaxTopics)
	case s.Subs > node.MaxSubs:
		return command.Wrong("subscriptions: %d is more than %d", s.Subs, node.MaxSubs)
	case s.Keep > node.MaxKeep || s.Stale > node.MaxKeep:
		return command.Wrong("keep and stale: at most %d seconds", node.MaxKeep/time.Second)
	case s.Pace > 10*time.Second:
		return command.Wrong("pace: %v is more than 10s", s.Pace)
	}
	if err := s.MWS.Check(); err != nil {
		return command.Wrong("%w", err)
	}
	return nil
}
