package doctor

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"topicd/discovery"
	"topicd/node/client"
	"topicd/node/client/show"
)

// Reached tells of the hub at host, which was asked by HTTP and by a WebSocket: who
// lets one through and not the other is a proxy. conn is nil where werr is not.
func (r *Report) Reached(ctx context.Context, host string, herr error, conn *client.Client, werr error) {
	switch {
	case herr == nil && werr == nil:
		took, _ := conn.Ping(ctx)
		r.OK("hub", "%s is ready and answers in %s", host, took.Round(10*time.Microsecond))
	case werr == nil:
		r.Bad("hub", "`topicd status` and the hub's log say more", "%s answers, but: %v", host, herr)
	case herr == nil:
		r.Bad("proxy", "let it pass Upgrade and Connection: nginx wants proxy_http_version 1.1 and proxy_set_header Upgrade $http_upgrade", "%s answers, but no WebSocket comes through: %v", host, werr)
	default:
		r.Bad("hub", "`systemctl status topicd` tells whether it runs; --hub names another, --token says who you are", "%v", werr)
	}
}

// HubClock compares a hub's clock with this machine's.
func (r *Report) HubClock(ctx context.Context, conn *client.Client) {
	var newest int64
	began := time.Now()
	_ = conn.Get(ctx, "$sys/stats", client.GetOptions{}, func(m client.Message) error { newest = m.TS; return nil })
	if off := time.UnixMilli(newest).Sub(began); newest > 0 && off.Abs() > 15*time.Second { // it is published every 10 s
		r.Bad("clock", "have both machines keep time: `timedatectl set-ntp true`", "the hub's differs from this machine's by %s", off.Round(time.Second))
	}
}

// Neighbours tells who says on the network to be a hub; told says whether this
// machine's is to.
func (r *Report) Neighbours(hubs []discovery.Hub, err error, told bool) {
	var names []string
	for _, h := range hubs {
		names = append(names, discovery.Display(h.Name)+" at "+h.URL())
	}
	switch {
	case err != nil:
		r.Bad("mdns", "multicast must be allowed on the interface; --iface names one", "%v", err)
	case len(hubs) == 0 && told:
		r.Bad("mdns", "open UDP 5353 in the firewall; guest Wi-Fi keeps devices apart; clients find the hub by --hub ADDRESS all the same", "nobody answers")
	case len(hubs) == 0:
		r.OK("mdns", "nobody answers, and this hub is not to")
	case len(hubs) > 1:
		r.OK("mdns", "%d hubs answer, clients have to choose one by --hub: %s", len(hubs), strings.Join(names, ", "))
	default:
		r.OK("mdns", "%s answers", names[0])
	}
}

// Print writes what was found, and returns how much of it is wrong.
func (r *Report) Print(out io.Writer, asJSON, colour bool) (wrong int, err error) {
	w := bufio.NewWriter(out)
	for _, f := range r.Found {
		mark, paint := "ok ", "\x1b[32m"
		if !f.OK {
			mark, paint, wrong = "bad", "\x1b[31m", wrong+1
		}
		if colour {
			mark = paint + mark + "\x1b[0m"
		}
		if !asJSON {
			fmt.Fprintf(w, "%s  %-9s %s\n", mark, f.What, show.Clean(f.Text))
			if f.Do != "" {
				fmt.Fprintf(w, "               → %s\n", f.Do)
			}
		}
	}
	if asJSON {
		err = json.NewEncoder(w).Encode(r.Found)
	}
	if err == nil {
		err = w.Flush()
	}
	return wrong, err
}
