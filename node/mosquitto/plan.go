package mosquitto

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Plan is what is taken over, and what is not.
type Plan struct {
	Settings []Setting `json:"settings"`
	Users    []User    `json:"users"`
	Notes    []Note    `json:"notes"`
}

// TOML is the settings as lines for topicd.toml.
func (p *Plan) TOML() string {
	var b strings.Builder
	table := ""
	for _, s := range p.Settings {
		if s.Table != table {
			table = s.Table
			fmt.Fprintf(&b, "\n[%s]\n", table)
		}
		fmt.Fprintf(&b, "%s = %s\n", s.Key, s.Value)
	}
	return b.String()
}

// Setting is a key of topicd.toml.
type Setting struct {
	Table string `json:"table,omitempty"` // "" = the top
	Key   string `json:"key"`
	Value string `json:"value"` // as TOML has it
}

// User is a user who gets a token; or none, and why.
type User struct {
	Name      string   `json:"name"`
	Publish   []string `json:"publish"`
	Subscribe []string `json:"subscribe"`
	Why       string   `json:"why,omitempty"`
}

// Kind is what became of a line.
type Kind string

// The kinds.
const (
	Taken    Kind = "taken"
	Left     Kind = "left"
	Needless Kind = "needless" // there is nothing to it here
)

// Note is what became of one line.
type Note struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
	Kind Kind   `json:"kind"`
	Why  string `json:"why,omitempty"`
}

// listener is one address that Mosquitto listens on.
type listener struct {
	at           directive
	port         string
	host         string
	web          bool
	cert, key    string
	left         string // why it is not taken
	anonymous    *bool
	password     *directive
	acl          *directive
	nameIsClient bool
}

// reading is a configuration on its way to a plan.
type reading struct {
	Plan
	dir       string
	perlisten bool
	listeners []*listener
	now       *listener // whose options are read
	general   listener  // what holds for all, and for the listener that has no line
	used      bool      // the listener without a line is there
	plugin    bool
	local     bool // without a listener Mosquitto 2.0 serves this machine, and asks nobody
	said      map[string]bool
	limits    map[string]string
	frame     int64
}

// Read reads a configuration and makes a plan of it.
func Read(name string) (*Plan, error) {
	in := &reader{dir: filepath.Dir(name)}
	if err := in.read(name); err != nil {
		return nil, err
	}
	r := &reading{dir: in.dir, limits: map[string]string{}, said: map[string]bool{}}
	r.Notes = in.notes
	r.now = &r.general
	for _, d := range in.out {
		if d.key == "per_listener_settings" {
			r.perlisten = d.yes()
		}
	}
	for i := range in.out {
		r.take(&in.out[i])
	}
	r.finish()
	return &r.Plan, nil
}

func (r *reading) add(n Note) { r.Notes = append(r.Notes, n) }

func (r *reading) taken(d *directive, why string) { r.add(d.note(Taken, why)) }

// take takes one line.
func (r *reading) take(d *directive) {
	switch d.key {
	case "listener", "port":
		r.listen(d)
	case "bind_address":
		r.general.host, r.used = d.rest, true
		r.general.at = *d
		r.taken(d, "mqtt-listen")
	case "connection":
		r.add(d.left("topicd has no bridge to other MQTT brokers"))
	case "allow_anonymous":
		yes := d.yes()
		r.scope().anonymous = &yes
		r.taken(d, "access")
	case "password_file":
		r.scope().password = d
	case "acl_file":
		r.scope().acl = d
	case "use_username_as_clientid":
		r.now.nameIsClient = d.yes()
		r.add(d.note(Needless, "a token tells who it is, whatever the client id"))
	case "auth_plugin", "plugin", "global_plugin":
		r.plugin = true
		r.add(d.left("topicd has no plugins: who they let in needs a token (topicd token create)"))
	default:
		r.option(d)
	}
}

// scope is who a line about access is for.
func (r *reading) scope() *listener {
	if r.perlisten {
		return r.now
	}
	return &r.general
}

// listen takes a listener.
func (r *reading) listen(d *directive) {
	port, host, _ := strings.Cut(d.rest, " ")
	if d.key == "port" {
		r.general.port, r.used = port, true
		if r.general.at.key == "" {
			r.general.at = *d
		}
		return
	}
	l := &listener{at: *d, port: port, host: strings.TrimSpace(host)}
	if n, err := strconv.Atoi(port); err != nil || n <= 0 || n > 65535 {
		l.left = "a socket of Unix, which topicd does not serve"
		if err != nil || n != 0 {
			l.left = "that is no port"
		}
	}
	r.listeners = append(r.listeners, l)
	r.now = l
}

// option takes a line about a listener, about limits, or one that says nothing here.
func (r *reading) option(d *directive) {
	l := r.now
	switch d.key {
	case "protocol":
		switch d.rest {
		case "mqtt":
		case "websockets":
			l.web = true
			r.taken(d, "MQTT over WebSocket, at /mqtt")
		default:
			l.left = "protocol " + d.rest
		}
	case "certfile":
		l.cert = d.rest
	case "keyfile":
		l.key = d.rest
	case "require_certificate", "use_identity_as_username", "use_subject_as_username":
		if d.yes() {
			l.left = "clients with certificates of their own: topicd knows them by tokens"
			r.add(d.left(l.left))
		}
	case "psk_hint", "psk_file":
		l.left = "TLS with keys shared before: topicd has certificates only"
		r.add(d.left(l.left))
	case "bind_interface", "mount_point", "socket_domain", "clientid_prefixes", "max_qos":
		if d.key == "socket_domain" || d.key == "max_qos" {
			r.add(d.left("topicd has no such setting"))
			return
		}
		l.left = d.key + " has no counterpart"
		r.add(d.left("it restricts the listener and has no counterpart"))
	case "max_connections":
		r.limit(d, "sessions", 1, 20_000)
	case "max_packet_size", "message_size_limit":
		if n, err := strconv.ParseInt(d.rest, 10, 64); err == nil && n > 0 {
			r.frame = min(max(n, 1<<10), 4<<20) // a quarter of memory
			r.taken(d, "max-frame")
		}
	default:
		r.rest(d)
	}
}

func (r *reading) limit(d *directive, key string, least, most int64) {
	n, err := strconv.ParseInt(d.rest, 10, 64)
	if err != nil || n < least {
		r.add(d.note(Needless, "no limit"))
		return
	}
	r.limits[key] = strconv.FormatInt(min(n, most), 10)
	r.taken(d, "[limits] "+key)
}

// rest is what is said of lines that are not taken.
func (r *reading) rest(d *directive) {
	why, known := reasons[d.key]
	switch {
	case !known && (strings.HasPrefix(d.key, "bridge_") || strings.HasPrefix(d.key, "remote_") || strings.HasPrefix(d.key, "local_") || slices.Contains(ofBridges, d.key)):
		r.add(d.left("of a bridge"))
	case !known && strings.HasPrefix(d.key, "auth_opt_") || strings.HasPrefix(d.key, "plugin_opt_"):
		r.add(d.left("of a plugin"))
	case !known:
		r.add(d.left("not known: " + d.key))
	case why == "":
		r.add(d.note(Needless, ""))
	case d.key == "persistence" && !d.yes():
		r.add(d.note(Needless, "topicd keeps on disk only what is said to be durable"))
	default:
		r.add(d.left(why))
	}
}

// ofBridges are the lines of a connection that do not say so.
var ofBridges = strings.Fields("address addresses topic cleansession clientid idle_timeout keepalive_interval notifications notifications_local_only notification_topic restart_timeout round_robin start_type threshold try_private username password")

// reasons are why lines are left, "" = there is nothing to it.
var reasons = map[string]string{
	"persistence":          `retained messages live with their topics; durable = ["PATTERN"] keeps topics on disk`,
	"persistence_location": "", "persistence_file": "", "autosave_interval": "", "autosave_on_changes": "",
	"per_listener_settings": "", "pid_file": "", "user": "", "sys_interval": "", "set_tcp_nodelay": "", "http_dir": "", "websockets_headers_size": "", "websockets_log_level": "",
	"log_dest": "the log goes to stderr, for the service manager", "log_type": "log-level says how much", "log_facility": "", "log_timestamp": "",
	"log_timestamp_format": "", "connection_messages": "",
	"allow_zero_length_clientid": "", "auto_id_prefix": "", "check_retain_source": "", "retain_available": "retained messages are always there",
	"max_inflight_messages": "32, or what the client says", "max_inflight_bytes": "", "max_keepalive": "",
	"max_queued_messages": "a client that is away gets what its topics still hold: topic-cap", "max_queued_bytes": "a client that is away gets what its topics still hold: topic-cap",
	"memory_limit": "memory is the budget of all readings", "persistent_client_expiration": "7 days at most, or what the client says", "queue_qos0_messages": "",
	"upgrade_outgoing_qos": "", "cafile": "", "capath": "", "crlfile": "", "ciphers": "", "ciphers_tls1.3": "", "tls_version": "", "dhparamfile": "",
	"tls_engine": "", "tls_keyform": "", "tls_engine_kpass_sha1": "", "accept_protocol_versions": "3.1, 3.1.1 and 5 are spoken",
}

// finish makes settings and users of what was read.
func (r *reading) finish() {
	r.listenerNotes()
	r.addresses()
	r.users()
	if r.frame > 0 {
		r.set("", "max-frame", strconv.FormatInt(r.frame, 10))
	}
	if n := r.limits["sessions"]; n != "" {
		r.set("limits", "sessions", n)
	}
}

func (r *reading) set(table, key, value string) {
	r.Settings = append(r.Settings, Setting{table, key, value})
}

// listenerNotes adds the listener that has no line, and says what became of each.
func (r *reading) listenerNotes() {
	if r.used || len(r.listeners) == 0 {
		g := &r.general
		l := &listener{at: g.at, port: g.port, host: g.host, web: g.web, cert: g.cert, key: g.key, left: g.left,
			anonymous: g.anonymous, password: g.password, acl: g.acl}
		if l.port == "" {
			l.port = "1883"
		}
		if r.local = len(r.listeners) == 0 && !r.used; r.local {
			l.host = "127.0.0.1"
		}
		r.listeners = append([]*listener{l}, r.listeners...)
	}
	for _, l := range r.listeners {
		if l.left == "" && (l.cert == "") != (l.key == "") {
			l.left = "a certificate without a key, or the other way round"
		}
		switch {
		case l.at.key == "":
		case l.left != "":
			r.add(l.at.left(l.left))
		default:
			r.taken(&l.at, l.setting())
		}
	}
}

// setting is the key that has a listener.
func (l *listener) setting() string {
	key := "listen"
	if l.cert != "" {
		key = "tls-listen"
	}
	if !l.web {
		key = "mqtt-" + key
	}
	return key
}

// addresses sets the keys of addresses. Where Mosquitto serves this machine only, so
// does the hub.
func (r *reading) addresses() {
	at := map[string][]string{}
	loopback := true
	cert, key := "", ""
	for _, l := range r.listeners {
		if l.left != "" {
			continue
		}
		if l.cert != "" && cert != "" && (l.cert != cert || l.key != key) {
			r.add(l.at.left("a second certificate: a hub has one, " + cert))
		} else if l.cert != "" {
			cert, key = l.cert, l.key
		}
		ip := net.ParseIP(strings.Trim(l.host, "[]"))
		loopback = loopback && (l.host == "localhost" || ip != nil && ip.IsLoopback())
		at[l.setting()] = append(at[l.setting()], net.JoinHostPort(strings.Trim(l.host, "[]"), l.port))
	}
	own := ":22345"
	if loopback {
		own = "127.0.0.1:22345"
	}
	if cert != "" {
		r.set("", "tls", quote(cert+","+key))
		at["listen"] = append([]string{own}, at["listen"]...)
		if len(at["tls-listen"]) == 0 {
			at["tls-listen"] = []string{strings.Replace(own, "22345", "22346", 1)}
		}
	} else if loopback || len(at["listen"]) > 0 {
		at["listen"] = append([]string{own}, at["listen"]...)
	}
	if len(at["mqtt-listen"]) == 0 {
		at["mqtt-listen"] = []string{"off"}
	}
	for _, key := range []string{"listen", "tls-listen", "mqtt-listen", "mqtt-tls-listen"} {
		if len(at[key]) > 0 {
			r.set("", key, list(at[key]))
		}
	}
}

func list(values []string) string {
	var q []string
	for _, v := range values {
		q = append(q, quote(v))
	}
	return "[" + strings.Join(q, ", ") + "]"
}

// quote is a basic string of TOML.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
