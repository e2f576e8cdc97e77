package discovery

import (
	"net/netip"
	"sort"

	"topicd/discovery/internal/mdns"
)

// Status is the state of an [Advertiser] at one time, for the laboratory.
type Status struct {
	Name  string // instance in use: the one asked for, or "name (2)"
	Host  string // host name in use, "gw.local"
	Links []LinkStatus
	Err   string // why the hub is on no network; empty when it is on one

	mdns.Stats // of the responder, where there is one link
}

// LinkStatus is the state on one interface.
type LinkStatus struct {
	Iface       string
	Addrs       []netip.Addr
	Up          bool // registered and answering
	HostByOther bool // another responder of this board, such as Avahi, answers for the host name
	Err         string
}

// Status tells the state now.
func (a *Advertiser) Status() Status {
	id := a.names.current().id
	a.mu.Lock()
	defer a.mu.Unlock()
	var st Status
	st.Name, st.Host = id.Instance, id.Host+".local"
	for _, l := range a.links {
		st.Links = append(st.Links, l.addTo(&st))
	}
	sort.Slice(st.Links, func(i, j int) bool { return st.Links[i].Iface < st.Links[j].Iface })
	st.Err = lastError(st.Links)
	return st
}

// lastError tells why the hub is on no network.
func lastError(links []LinkStatus) string {
	why := "no usable network interface"
	for _, l := range links {
		if l.Up {
			return ""
		}
		why = "starting on " + l.Iface
		if l.Err != "" {
			why = l.Iface + ": " + l.Err
		}
	}
	return why
}

// addTo puts the link's counters into st and tells its state.
func (l *link) addTo(st *Status) LinkStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	ls := LinkStatus{Iface: l.ifi.Name, Up: l.up}
	for _, p := range l.view.Prefixes {
		ls.Addrs = append(ls.Addrs, p.Addr())
	}
	if l.err != nil {
		ls.Err = l.err.Error()
	}
	if l.resp != nil {
		ls.HostByOther = l.resp.HostElsewhere()
		st.Stats = l.resp.Stats
	}
	return ls
}
