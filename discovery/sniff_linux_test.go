package discovery

import (
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"

	"topicd/node/nodetest"
)

// seen is a packet on the wire.
type seen struct {
	at    time.Time
	src   string
	ipTTL int
	msg   *dns.Msg
}

// answers gives the records of a response with their TTL.
func (s seen) records() []dns.RR {
	if !s.msg.Response {
		return nil
	}
	return append(append([]dns.RR(nil), s.msg.Answer...), s.msg.Extra...)
}

// sniffer keeps what is multicast over IPv4 on a host's link.
type sniffer struct {
	mu   sync.Mutex
	all  []seen
	conn *ipv4.PacketConn
}

// sniff listens on a host, which need not run anything else.
func (h *host) sniff() *sniffer {
	h.t.Helper()
	s := &sniffer{conn: ipv4.NewPacketConn(h.udp("udp4", ":5353"))}
	var err error
	h.in(func() {
		var ifi *net.Interface
		if ifi, err = net.InterfaceByName("eth0"); err == nil {
			err = s.conn.JoinGroup(ifi, group4)
		}
	})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := s.conn.SetControlMessage(ipv4.FlagTTL, true); err != nil {
		h.t.Fatal(err)
	}
	_ = s.conn.SetMulticastTTL(255)
	go func() {
		buf := make([]byte, maxPacket)
		for {
			n, cm, src, err := s.conn.ReadFrom(buf)
			if err != nil {
				return
			}
			m := new(dns.Msg)
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			s.mu.Lock()
			s.all = append(s.all, seen{at: time.Now(), src: src.(*net.UDPAddr).IP.String(), ipTTL: cm.TTL, msg: m})
			s.mu.Unlock()
		}
	}()
	return s
}

// from gives what a host multicast so far.
func (s *sniffer) from(h *host) (out []seen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.all {
		if p.src == h.addr() {
			out = append(out, p)
		}
	}
	return out
}

// heard waits until a host has multicast n packets.
func (s *sniffer) heard(h *host, n int) {
	h.t.Helper()
	h.until(patience, "packets on the wire", func() bool { return len(s.from(h)) >= n })
}

func (s *sniffer) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = nil
}

// query sends questions to the group, from port 5353.
func (s *sniffer) query(t *testing.T, names ...dns.Question) {
	t.Helper()
	m := dns.Msg{Question: names}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.conn.WriteTo(b, nil, group4); err != nil {
		t.Fatal(err)
	}
}

// legacy asks the group from a port of its own and waits for the reply.
func (h *host) legacy(name string, typ uint16) *dns.Msg {
	h.t.Helper()
	return h.legacyTo(group4, name, typ, 30*time.Second)
}

func (h *host) legacyTo(to *net.UDPAddr, name string, typ uint16, wait time.Duration) *dns.Msg {
	h.t.Helper()
	c := h.udp("udp4", ":0")
	m := dns.Msg{Question: []dns.Question{{Name: name, Qtype: typ, Qclass: dns.ClassINET}}}
	m.Id = 4711
	b, err := m.Pack()
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := c.WriteTo(b, to); err != nil {
		h.t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, maxPacket)
	n, err := c.Read(buf)
	if err != nil {
		return nil
	}
	reply := new(dns.Msg)
	if err := reply.Unpack(buf[:n]); err != nil {
		h.t.Fatal(err)
	}
	return reply
}

// pythonWatch runs python3-zeroconf as a client: it prints "<op> <name> <addresses>".
const pythonWatch = `
import sys, time
from zeroconf import Zeroconf, ServiceBrowser, IPVersion
class L:
    def add_service(self, zc, t, n): self.show('add', zc, t, n)
    def update_service(self, zc, t, n): self.show('update', zc, t, n)
    def remove_service(self, zc, t, n): print('remove', n, flush=True)
    def show(self, op, zc, t, n):
        i = zc.get_service_info(t, n, 30000)
        a = ','.join(i.parsed_addresses(IPVersion.V4Only)) if i else '-'
        # Of SRV and TXT: python-zeroconf keeps every PTR for 1125 s at least.
        ttl = max([r.ttl for r in zc.cache.async_entries_with_name(n)] + [0])
        print(op, n, a, 'port', i.port if i else 0, 'ttl', int(ttl), flush=True)
zc = Zeroconf(ip_version=IPVersion.V4Only)
print('ready', flush=True)
b = ServiceBrowser(zc, '_topicd._tcp.local.', L())
time.sleep(600)
`

// python runs a watching client on the host; it gives what was printed so far.
func (h *host) python() func() string {
	h.t.Helper()
	if _, err := os.Stat("/usr/bin/python3"); err != nil || h.cmd("/usr/bin/python3", "-c", "import zeroconf").Run() != nil {
		if os.Getenv("CI") == "true" {
			h.t.Fatal("this test needs python3-zeroconf")
		}
		h.t.Skip("needs python3-zeroconf")
	}
	out := &nodetest.Buffer{}
	c := h.cmd("/usr/bin/python3", "-c", pythonWatch)
	c.Stdout, c.Stderr = out, out
	h.start(c)
	h.until(patience, "python", func() bool { return strings.Contains(out.String(), "ready") })
	return out.String
}

// avahiWatch runs avahi-browse on the host until the lab ends.
func (h *host) avahiWatch() func() string {
	h.t.Helper()
	out := &nodetest.Buffer{}
	c := h.cmd("avahi-browse", "-rp", "_topicd._tcp")
	c.Stdout, c.Stderr = out, out
	h.start(c)
	return out.String
}

// flood sends packets, 50 at a time with a pause between: without one most would
// be lost in the receivers' socket buffers.
func (s *sniffer) flood(t *testing.T, n int, pause time.Duration, packet func(i int) []byte) time.Duration {
	t.Helper()
	begin := time.Now()
	for i := range n {
		if _, err := s.conn.WriteTo(packet(i), nil, group4); err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 {
			time.Sleep(pause)
		}
	}
	return time.Since(begin)
}
