package discovery

import (
	"fmt"
	"net"
	"time"

	"github.com/grandcat/zeroconf"

	"topicd/discovery/internal/mdns"
)

// registration is an identity on one interface as zeroconf holds it: it
// announces, and it says goodbye. It answers nothing, see [mutedDomain].
type registration struct {
	servers []*zeroconf.Server
	since   time.Time
}

// mutedDomain is "local" in another presentation form: the same bytes on the
// wire, another string in memory. zeroconf answers a question only if its name
// equals a registered one as a string, and a received name never has a letter
// written as \DDD. So zeroconf cannot be made to answer at all, whatever is
// sent; every question is left to our responder, which keeps the rate, the
// letter case, the legacy queriers and the source check that zeroconf does not.
// TestZeroconfIsMute holds this for the pinned version.
const mutedDomain = `\108ocal`

// register announces an identity on an interface. It must be called on one
// interface at a time: then another that comes or goes does not touch this one.
func register(ifi net.Interface, id mdns.Identity) (*registration, error) {
	r := &registration{since: time.Now()}
	for _, s := range id.Services {
		// No addresses are given: zeroconf then reads them from the interface
		// for each packet, and its goodbye does not withdraw the host's (which
		// may be Avahi's).
		srv, err := zeroconf.RegisterProxy(mdns.Escape(id.Instance), s.Type, mutedDomain, int(s.Port),
			mdns.Escape(id.Host)+"."+mutedDomain+".", nil, s.TXT, []net.Interface{ifi})
		if err != nil {
			r.withdraw()
			return nil, fmt.Errorf("zeroconf on %s: %w", ifi.Name, err)
		}
		setTTL(srv)
		r.servers = append(r.servers, srv)
	}
	return r, nil
}

// setTTL lowers zeroconf's lifetime of 3200 s. RegisterProxy has started the
// goroutine that reads the field, and there is no way to set it before, so this
// is a race by the letter: of one aligned 32-bit word, for which the Go memory
// model promises the old or the new value and nothing else. The new one is
// there long before the first announcement (after two random sleeps); and were
// it not, the responder hears the long lifetime and announces the right one
// (mdns.Responder, RFC 6762 section 6.6).
// norace keeps the race detector to the races that matter.
//
//go:norace
func setTTL(s *zeroconf.Server) { s.TTL(mdns.TTL) }

// withdraw says goodbye at once and closes zeroconf's sockets. zeroconf's
// announcing goroutine may sleep on for up to 3.5 s and then ends.
func (r *registration) withdraw() {
	// zeroconf's receivers must have started, or its WaitGroup is waited for
	// before it is added to.
	time.Sleep(50*time.Millisecond - time.Since(r.since))
	for _, s := range r.servers {
		s.Shutdown()
	}
}
