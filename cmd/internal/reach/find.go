package reach

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"topicd/cmd/internal/command"
	"topicd/discovery"
	"topicd/node/client"
)

// Browse asks the local network, unless TOPICD_MDNS=off forbids it.
func Browse(ctx context.Context, env *command.Env, o discovery.BrowseOptions) ([]discovery.Hub, error) {
	if strings.EqualFold(env.Getenv("TOPICD_MDNS"), "off") {
		return nil, nil
	}
	hubs, err := discovery.Browse(ctx, o)
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, command.Fail(command.Unreachable, "name the hub with --hub ADDRESS", "cannot look for hubs: %w", err)
	}
	return hubs, err
}

// find is the hub's address when none was given, or only its name: the hub
// on this machine if there is one, else the only one on the network.
func (r *Target) find(ctx context.Context, name string) (string, error) {
	if name == "" && client.Listening(ctx, "127.0.0.1:"+client.HubPort) {
		return DefaultHub, nil
	}
	hubs, err := Browse(ctx, r.env, discovery.BrowseOptions{Name: name})
	if err != nil && name == "" {
		return "", err
	}
	h, err := discovery.Pick(hubs, name)
	switch {
	case err == nil:
		r.env.Note("using the hub %s at %s", discovery.Display(h.Name), h.URL())
		return h.URL(), nil
	case name != "": // not a hub that is found: the name of a host, then
		return client.HubURL(name)
	case errors.Is(err, discovery.ErrSeveral):
		var names []string
		for _, h := range hubs {
			names = append(names, fmt.Sprintf("%q at %s", discovery.Display(h.Name), h.URL()))
		}
		return "", command.Fail(command.Usage, "choose one with --hub NAME", "there are %d hubs: %s", len(hubs), strings.Join(names, ", "))
	default:
		return "", command.Fail(command.Unreachable, "`topicd serve` starts one here; --hub ADDRESS names one elsewhere", "no hub on this machine and none found on the network")
	}
}
