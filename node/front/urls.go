package front

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// URLs are the addresses at which clients reach the hub: loopback first, then
// those of the network.
func (f *Front) URLs() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var urls []string
	for _, e := range f.bound {
		a, ok := e.Addr().(*net.TCPAddr)
		if !ok {
			continue
		}
		ips := []net.IP{a.IP}
		if a.IP.IsUnspecified() {
			ips = append([]net.IP{net.IPv4(127, 0, 0, 1)}, networkIPs()...)
		}
		scheme, path := "ws", "/ws"
		if f.in.Bare[e.dialect] != nil {
			scheme, path = e.dialect, ""
		}
		if e.tls {
			scheme += "s"
		}
		for _, ip := range ips {
			urls = append(urls, fmt.Sprintf("%s://%s%s", scheme, net.JoinHostPort(ip.String(), fmt.Sprint(a.Port)), path))
		}
	}
	return urls
}

// PublicPort is the port of the first endpoint that others can reach with
// everything, or will when its address is there; 0 = none.
func (f *Front) PublicPort() (port int, encrypted bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.bound {
		if a, ok := e.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() && f.in.Bare[e.dialect] == nil {
			return a.Port, e.tls
		}
	}
	for _, w := range f.waiting {
		if n := w.port(); n > 0 && f.in.Bare[w.dialect] == nil {
			return n, w.tls
		}
	}
	return 0, false
}

// BarePort is the port of the first endpoint without TLS that is given to a dialect
// and that others can reach; 0 = none.
func (f *Front) BarePort(dialect string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.bound {
		if a, ok := e.Addr().(*net.TCPAddr); ok && e.dialect == dialect && !e.tls && !a.IP.IsLoopback() {
			return a.Port
		}
	}
	return 0
}

// Dashboard is the page as other machines reach it, "" if they do not. Where
// there is an IPv4 address that is the one: people can read it out.
func (f *Front) Dashboard() string { return networkDashboard(f.URLs()) }

// PhoneDashboard is the dashboard over TLS, with the fingerprint to compare; "":
// there is none.
func (f *Front) PhoneDashboard() string {
	at := ""
	for _, u := range f.URLs() { // the network's come behind loopback
		if strings.HasPrefix(u, "wss://") {
			at = u
		}
	}
	if at == "" {
		return ""
	}
	return DashboardOf(at) + "#fp=" + f.opt.Cert.Fingerprint()
}

func networkDashboard(urls []string) string {
	page := ""
	for _, u := range urls {
		p, err := url.Parse(u)
		if err != nil || DashboardOf(u) == "" {
			continue
		}
		ip := net.ParseIP(p.Hostname())
		if ip == nil || ip.IsLoopback() {
			continue
		}
		if ip.To4() != nil {
			return DashboardOf(u)
		}
		if page == "" {
			page = DashboardOf(u)
		}
	}
	return page
}

// DashboardOf is that of a hub with that WebSocket; "": it is none.
func DashboardOf(u string) string {
	if !strings.HasPrefix(u, "ws") {
		return ""
	}
	return "http" + strings.TrimSuffix(strings.TrimPrefix(u, "ws"), "ws") // ws → http, wss → https
}

// networkIPs are this machine's addresses that others can use as they are;
// link-local ones would need a zone.
func networkIPs() []net.IP {
	var ips []net.IP
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			ips = append(ips, n.IP)
		}
	}
	return ips
}
