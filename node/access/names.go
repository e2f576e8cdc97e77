package access

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

// OwnNames are this machine's names beside the one in .local: as it calls itself,
// and as a home's router calls it. No page on the web can have one: a name of one
// label cannot be bought, and the domains are kept for local use (RFC 8375, .lan
// by custom).
func OwnNames() []string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return nil
	}
	label, _, _ := strings.Cut(name, ".")
	return []string{name, label, label + ".lan", label + ".home.arpa", label + ".internal"}
}

// CheckPrefix refuses what is no prefix of addresses.
func CheckPrefix(text string) error {
	if _, err := netip.ParsePrefix(text); err != nil {
		return fmt.Errorf("%q is not a prefix of addresses such as 2001:db8:7::/48", text)
	}
	return nil
}

// CheckOrigin refuses what is no origin of the web (RFC 6454).
func CheckOrigin(text string) error {
	if text == "null" { // pages that a browser opens from its disk, as Qt's examples are: who allows them knows that frames can say it too
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is not an origin such as https://app.example: scheme, host and port, without a path", text)
	}
	return nil
}
