package main

import (
	"time"

	"github.com/spf13/pflag"

	"topicd/cmd/internal/flags"
	"topicd/node/durable"
	"topicd/node/uplink"
	"topicd/node/web"
)

// uplinkFlags are the keys of the file's [uplink]: --uplink is url there, the others are
// without uplink-.
func (s *settings) uplinkFlags(fs *pflag.FlagSet) {
	u := &s.uplink
	fs.Var(&flags.List{V: &u.URLs, Shown: uplink.ShownURL}, "uplink", "`URL` of a server of NATS that durable readings go to, repeatable: nats://, tls://, ws://, wss://; any of them")
	fs.StringVar(&u.Site, "uplink-site", "", "`NAME` of this site there, one word (default the host's name)")
	fs.Var(&flags.List{V: &u.Up, Check: flags.Pattern}, "uplink-up", "`PATTERN` of topics that go up, repeatable; they are durable (default #)")
	fs.Var(&flags.List{V: &u.Down, Check: flags.Pattern}, "uplink-down", "`PATTERN` of topics that the centre may publish to, repeatable")
	fs.StringVar(&u.Creds, "uplink-creds", "", "credentials `FILE` of NATS")
	fs.Var(flags.Secret(&u.Token), "uplink-token", "`TOKEN` instead (better as TOPICD_UPLINK_TOKEN or in the file: a command line can be read by all)")
	fs.StringVar(&u.CA, "uplink-ca", "", "PEM `FILE` with the authority of the servers (default the system's)")
	fs.StringVar(&u.Stream, "uplink-stream", "", "JetStream `STREAM` that must answer (default any that takes the site's subjects)")
	fs.Var(flags.Choice(&s.uplinkEnc, "json|asis"), "uplink-enc", "json, or asis: CBOR stays CBOR")
}

// centerFlags are the keys of the file's [center]: --from-nats is url there, the
// others are without from-nats-.
func (s *settings) centerFlags(fs *pflag.FlagSet) {
	u := &s.center
	fs.Var(&flags.List{V: &u.URLs, Shown: uplink.ShownURL}, "from-nats", "`URL` of a server of NATS whose stream has the readings of gateways, repeatable: they are published as SITE/TOPIC")
	fs.StringVar(&u.Stream, "from-nats-stream", "SITES", "that `STREAM`")
	fs.StringVar(&u.Site, "from-nats-name", "", "`NAME` of this hub's consumer there (default the host's name)")
	fs.StringVar(&u.Creds, "from-nats-creds", "", "credentials `FILE` of NATS")
	fs.Var(flags.Secret(&u.Token), "from-nats-token", "`TOKEN` instead")
	fs.StringVar(&u.CA, "from-nats-ca", "", "PEM `FILE` with the authority of the servers (default the system's)")
}

// reserved are names of clients that this hub's own have.
func (s *settings) reserved() (names []string) {
	if len(s.uplink.URLs) > 0 {
		names = append(names, uplink.Client)
	}
	if len(s.center.URLs) > 0 {
		names = append(names, uplink.Center)
	}
	return names
}

// openUplink makes what sends readings up and what takes those of gateways. What is
// wrong with a setting is said here and in `topicd status`; the hub serves on.
func (s *server) openUplink() {
	own := ""
	var err error
	if len(s.set.uplink.URLs) > 0 && s.disk != nil {
		o := s.set.uplink
		o.Version, o.AsIs = version, s.set.uplinkEnc == "asis"
		o.Hub, o.Store, o.Log, o.Plain = s.hub, s.disk.Store, s.log, durable.Data
		if s.uplink, err = uplink.New(o); err != nil {
			s.log.Error("the uplink cannot start", "err", err)
		}
		own = s.uplink.Status().Site
	}
	if len(s.set.center.URLs) > 0 {
		o := s.set.center
		o.Version, o.Hub, o.Log = version, s.hub, s.log
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
