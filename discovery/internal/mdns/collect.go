package mdns

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/miekg/dns"
)

// Found is a service as its owner describes it. Nothing in it is checked but
// its sizes: names may hold any byte.
type Found struct {
	Instance string // plain bytes
	Host     string // presentation form, with the final dot
	Port     uint16
	TXT      []string // plain bytes
	Addrs    []netip.Addr
}

// Bounds of what one browse may gather, whoever sends.
const (
	maxFoundAddrs = 16
	maxTXT        = 32
	maxAsked      = 8 // questions in a packet
)

// Collector gathers the answers to a browse for one service type. It is not
// safe for concurrent use.
type Collector struct {
	service string // "_topicd._tcp.local.", folded
	limit   int
	byKey   map[string]*entry
	addrs   map[string][]netip.Addr // of the hosts in byKey, by folded name
}

type entry struct {
	Found
	hostKey string // Host folded
}

// NewCollector collects at most limit services of a type ("_topicd._tcp").
func NewCollector(service string, limit int) *Collector {
	return &Collector{
		service: fold(wireForm(service + ".local.")),
		limit:   limit,
		byKey:   map[string]*entry{},
		addrs:   map[string][]netip.Addr{},
	}
}

// Full reports whether no further service will be taken.
func (c *Collector) Full() bool { return len(c.byKey) >= c.limit }

// Query gives the next packet to ask with: for the service type, and for what
// is still missing of those found. It is a one-shot query (RFC 6762 section
// 5.1), to be sent from a port that is not 5353.
func (c *Collector) Query(id uint16) []byte {
	m := dns.Msg{}
	m.Id = id
	ask := func(name string, types ...uint16) {
		for _, t := range types {
			if len(m.Question) < maxAsked {
				m.Question = append(m.Question, dns.Question{Name: name, Qtype: t, Qclass: dns.ClassINET})
			}
		}
	}
	ask(c.service, dns.TypePTR)
	for key, f := range c.byKey {
		switch {
		case f.Host == "":
			ask(key, dns.TypeSRV, dns.TypeTXT)
		case len(c.addrs[f.hostKey]) == 0:
			ask(f.Host, dns.TypeA, dns.TypeAAAA)
		}
	}
	return encode(&m)
}

// Reply takes a reply to the query with the given id and gives the instances
// that it speaks of. zone names the interface that it came from, for link-local
// addresses in it.
func (c *Collector) Reply(pkt []byte, id uint16, zone string) (names []string) {
	var m dns.Msg
	if !plausible(pkt) || m.Unpack(pkt) != nil || !m.Response || m.Id != id {
		return nil
	}
	rrs := append(append([]dns.RR(nil), m.Answer...), m.Extra...)
	for _, rr := range rrs {
		if f := c.record(rr); f != nil {
			names = append(names, f.Instance)
		}
	}
	for _, rr := range rrs {
		switch rr := rr.(type) {
		case *dns.A:
			c.addr(rr.Hdr.Name, rr.A, "")
		case *dns.AAAA:
			c.addr(rr.Hdr.Name, rr.AAAA, zone)
		}
	}
	return names
}

// Entry takes a service that was found by other means, names in presentation
// form.
func (c *Collector) Entry(instance, host string, port int, txt []string, ips []net.IP) {
	if strings.HasSuffix(instance, `\`) || port < 0 || port > 0xffff {
		return // zeroconf has trimmed an escaped dot: the name is lost
	}
	name := wireForm(instance + "." + c.service)
	c.record(&dns.SRV{Hdr: hdr(name, dns.TypeSRV), Port: uint16(port), Target: host})
	c.record(&dns.TXT{Hdr: hdr(name, dns.TypeTXT), Txt: txt})
	for _, ip := range ips {
		c.addr(host, ip, "")
	}
}

// record takes a record if it is one that describes a service of our type, and
// gives the service.
func (c *Collector) record(rr dns.RR) *entry {
	switch rr := rr.(type) {
	case *dns.PTR:
		if fold(rr.Hdr.Name) == c.service {
			return c.found(rr.Ptr)
		}
	case *dns.SRV:
		f := c.found(rr.Hdr.Name)
		if f != nil && rr.Port != 0 {
			f.Host, f.Port, f.hostKey = rr.Target, rr.Port, fold(rr.Target)
		}
		return f
	case *dns.TXT:
		f := c.found(rr.Hdr.Name)
		if f != nil {
			f.TXT = f.TXT[:0]
			for _, s := range rr.Txt[:min(len(rr.Txt), maxTXT)] {
				f.TXT = append(f.TXT, Unescape(s))
			}
		}
		return f
	}
	return nil
}

// found gives the entry of an instance's full name, or nil if that is none of
// our type or there is no room.
func (c *Collector) found(name string) *entry {
	key := fold(name)
	label := dns.Split(key)
	if len(label) < 2 || key[label[1]:] != c.service {
		return nil
	}
	if f := c.byKey[key]; f != nil || c.Full() {
		return f
	}
	f := &entry{Found: Found{Instance: Unescape(name[:label[1]-1])}}
	c.byKey[key] = f
	return f
}

// addr takes an address of a host that a service named.
func (c *Collector) addr(host string, ip net.IP, zone string) {
	a, ok := netip.AddrFromSlice(ip)
	if a = a.Unmap(); !ok || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
		return
	}
	if a.Is6() && a.IsLinkLocalUnicast() {
		if zone == "" {
			return // of no use without its interface
		}
		a = a.WithZone(zone)
	}
	key := fold(host)
	have := c.addrs[key]
	if !c.named(key) || len(have) >= maxFoundAddrs || slices.Contains(have, a) {
		return
	}
	// A service that changes its host with every packet must not fill the map.
	if have != nil || len(c.addrs) < 2*c.limit {
		c.addrs[key] = append(have, a)
	}
}

func (c *Collector) named(host string) bool {
	for _, f := range c.byKey {
		if f.hostKey == host {
			return true
		}
	}
	return false
}

// Found gives the services that can be reached, by name. Addresses stand in the
// order in which they should be tried: IPv4, IPv6, then link-local ones.
func (c *Collector) Found() []Found {
	var out []Found
	for _, f := range c.byKey {
		g := f.Found
		g.Addrs = slices.Clone(c.addrs[f.hostKey])
		if f.Port == 0 || len(g.Addrs) == 0 {
			continue
		}
		sort.Slice(g.Addrs, func(i, j int) bool {
			a, b := g.Addrs[i], g.Addrs[j]
			return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Compare(b)) < 0
		})
		out = append(out, g)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Instance < out[j].Instance })
	return out
}

func rank(a netip.Addr) int {
	r := 0
	if a.Is6() {
		r = 1
	}
	if a.IsLinkLocalUnicast() {
		r += 2
	}
	return r
}
