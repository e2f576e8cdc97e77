package settings

import (
	"github.com/spf13/pflag"

	"topicd/cmd/internal/flags"
	"topicd/node/uplink"
)

// uplinkFlags are the keys of the file's [uplink]: --uplink is url there, the others are
// without uplink-.
func (s *Settings) uplinkFlags(fs *pflag.FlagSet) {
	u := &s.Uplink
	fs.Var(&flags.List{V: &u.URLs, Shown: uplink.ShownURL}, "uplink", "`URL` of a server of NATS that durable readings go to, repeatable: nats://, tls://, ws://, wss://; any of them")
	fs.StringVar(&u.Site, "uplink-site", "", "`NAME` of this site there, one word (default the host's name)")
	fs.Var(&flags.List{V: &u.Up, Check: flags.Pattern}, "uplink-up", "`PATTERN` of topics that go up, repeatable; they are durable (default #)")
	fs.Var(&flags.List{V: &u.Down, Check: flags.Pattern}, "uplink-down", "`PATTERN` of topics that the centre may publish to, repeatable")
	fs.StringVar(&u.Creds, "uplink-creds", "", "credentials `FILE` of NATS")
	fs.Var(flags.Secret(&u.Token), "uplink-token", "`TOKEN` instead (better as TOPICD_UPLINK_TOKEN or in the file: a command line can be read by all)")
	fs.StringVar(&u.CA, "uplink-ca", "", "PEM `FILE` with the authority of the servers (default the system's)")
	fs.StringVar(&u.Stream, "uplink-stream", "", "JetStream `STREAM` that must answer (default any that takes the site's subjects)")
	fs.Var(flags.Choice(&s.UplinkEnc, "json|asis"), "uplink-enc", "json, or asis: CBOR stays CBOR")
}

// centerFlags are the keys of the file's [center]: --from-nats is url there, the
// others are without from-nats-.
func (s *Settings) centerFlags(fs *pflag.FlagSet) {
	u := &s.Center
	fs.Var(&flags.List{V: &u.URLs, Shown: uplink.ShownURL}, "from-nats", "`URL` of a server of NATS whose stream has the readings of gateways, repeatable: they are published as SITE/TOPIC")
	fs.StringVar(&u.Stream, "from-nats-stream", "SITES", "that `STREAM`")
	fs.StringVar(&u.Site, "from-nats-name", "", "`NAME` of this hub's consumer there (default the host's name)")
	fs.StringVar(&u.Creds, "from-nats-creds", "", "credentials `FILE` of NATS")
	fs.Var(flags.Secret(&u.Token), "from-nats-token", "`TOKEN` instead")
	fs.StringVar(&u.CA, "from-nats-ca", "", "PEM `FILE` with the authority of the servers (default the system's)")
}

// Reserved are names of clients that this hub's own have.
func (s *Settings) Reserved() (names []string) {
	if len(s.Uplink.URLs) > 0 {
		names = append(names, uplink.Client)
	}
	if len(s.Center.URLs) > 0 {
		names = append(names, uplink.Center)
	}
	return names
}
