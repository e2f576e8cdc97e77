package main

import (
	"time"

	"github.com/spf13/pflag"

	"topicd/cmd/internal/flags"
	"topicd/node/durable"
	"topicd/node/uplink"
	"topicd/node/web"
)

// uplinkSettings say which servers of NATS readings go to, or come from.
type uplinkSettings struct {
	url, up, down          []string
	site, creds, token, ca string
	stream, enc            string
}

// flags are the keys of the file's [uplink]: --uplink is url there, the others are
// without uplink-.
func (u *uplinkSettings) flags(fs *pflag.FlagSet) {
	fs.Var(&flags.List{V: &u.url, Shown: uplink.ShownURL}, "uplink", "`URL` of a server of NATS that durable readings go to, repeatable: nats://, tls://, ws://, wss://; any of them")
	fs.StringVar(&u.site, "uplink-site", "", "`NAME` of this site there, one word (default the host's name)")
	fs.Var(&flags.List{V: &u.up, Check: flags.Pattern}, "uplink-up", "`PATTERN` of topics that go up, repeatable; they are durable (default #)")
	fs.Var(&flags.List{V: &u.down, Check: flags.Pattern}, "uplink-down", "`PATTERN` of topics that the centre may publish to, repeatable")
	fs.StringVar(&u.creds, "uplink-creds", "", "credentials `FILE` of NATS")
	fs.Var(flags.Secret(&u.token), "uplink-token", "`TOKEN` instead (better as TOPICD_UPLINK_TOKEN or in the file: a command line can be read by all)")
	fs.StringVar(&u.ca, "uplink-ca", "", "PEM `FILE` with the authority of the servers (default the system's)")
	fs.StringVar(&u.stream, "uplink-stream", "", "JetStream `STREAM` that must answer (default any that takes the site's subjects)")
	fs.Var(flags.Choice(&u.enc, "json|asis"), "uplink-enc", "json, or asis: CBOR stays CBOR")
}

// centerFlags are the keys of the file's [center]: --from-nats is url there, the
// others are without from-nats-.
func (u *uplinkSettings) centerFlags(fs *pflag.FlagSet) {
	fs.Var(&flags.List{V: &u.url, Shown: uplink.ShownURL}, "from-nats", "`URL` of a server of NATS whose stream has the readings of gateways, repeatable: they are published as SITE/TOPIC")
	fs.StringVar(&u.stream, "from-nats-stream", "SITES", "that `STREAM`")
	fs.StringVar(&u.site, "from-nats-name", "", "`NAME` of this hub's consumer there (default the host's name)")
	fs.StringVar(&u.creds, "from-nats-creds", "", "credentials `FILE` of NATS")
	fs.Var(flags.Secret(&u.token), "from-nats-token", "`TOKEN` instead")
	fs.StringVar(&u.ca, "from-nats-ca", "", "PEM `FILE` with the authority of the servers (default the system's)")
}

func (u *uplinkSettings) options() uplink.Options {
	return uplink.Options{
		URLs: u.url, Site: u.site, Up: u.up, Down: u.down, Creds: u.creds, Token: u.token, CA: u.ca, Stream: u.stream,
		AsIs: u.enc == "asis", Version: version,
	}
}

// reserved are names of clients that this hub's own have.
func (s *settings) reserved() (names []string) {
	if len(s.uplink.url) > 0 {
		names = append(names, uplink.Client)
	}
	if len(s.center.url) > 0 {
		names = append(names, uplink.Center)
	}
	return names
}

// openUplink makes what sends readings up and what takes those of gateways. What is
// wrong with a setting is said here and in `topicd status`; the hub serves on.
func (s *server) openUplink() {
	own := ""
	var err error
	if len(s.set.uplink.url) > 0 && s.disk != nil {
		o := s.set.uplink.options()
		o.Hub, o.Store, o.Log, o.Plain = s.hub, s.disk.Store, s.log, durable.Data
		if s.uplink, err = uplink.New(o); err != nil {
			s.log.Error("the uplink cannot start", "err", err)
		}
		own = s.uplink.Status().Site
	}
	if len(s.set.center.url) > 0 {
		o := s.set.center.options()
		o.Hub, o.Log = s.hub, s.log
		if s.feed, err = uplink.NewFeed(o, own); err != nil {
			s.log.Error("readings of gateways cannot be taken", "err", err)
		}
	}
}

// startUplink begins to connect.
func (s *server) startUplink() {
	if s.uplink != nil {
		s.disk.Notify(s.uplink.Notify)
		if err := s.uplink.Start(); err != nil {
			s.log.Error("nothing goes up", "err", err)
		}
	}
	if s.feed != nil {
		if err := s.feed.Start(); err != nil {
			s.log.Error("nothing comes from gateways", "err", err)
		}
	}
}

// stopUplink ends both. What is on disk and not sent has half a second.
func (s *server) stopUplink() {
	if s.feed != nil {
		s.feed.Stop()
	}
	if s.uplink != nil {
		if s.disk.Store.Sync() == nil {
			s.uplink.Flush(500 * time.Millisecond)
		}
		s.uplink.Stop()
	}
}

// uplinkStatus is the uplink's part of the hub's status, nil without one.
func (s *server) uplinkStatus() *web.Uplink {
	if s.uplink == nil {
		return nil
	}
	st := s.uplink.Status()
	return &web.Uplink{
		To: st.Servers + " as " + st.Site, State: st.State.String(), Up: st.State == uplink.Up, Down: int64(st.Down / time.Second),
		Waiting: int64(st.PendingReadings), Reason: st.Words,
	}
}

// uplinkMetrics appends what the uplink and the feed count.
func (s *server) uplinkMetrics(b []byte) []byte {
	var st uplink.Status // off
	if s.uplink != nil {
		st = s.uplink.Status()
	}
	b = st.AppendMetrics(b)
	if s.feed != nil {
		st := s.feed.Status()
		b = st.AppendMetrics(b)
	}
	return s.ha.AppendMetrics(b)
}
