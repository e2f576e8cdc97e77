package main

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// Hubs sign their own certificates, so a client knows one by its fingerprint:
// the one that was given with --pin, else the one that was seen first, as ssh
// does. A certificate that the system's authorities vouch for needs no pin.

func addPin(fs *pflag.FlagSet, pin *string) {
	fs.StringVar(pin, "pin", "", "SHA-256 `FINGERPRINT` that the hub's certificate must have (default the one seen first)")
}

// secure is how to speak with the hub at u: over TLS or, with nil, in the clear.
func (a *app) secure(u *url.URL, pin string) (*tls.Config, error) {
	switch {
	case u.Scheme == "wss" || u.Scheme == "https":
		return a.tlsConfig(u.Host, pin), nil
	case pin != "":
		return nil, fail(exitUsage, "name it with --hub wss://HOST:PORT", "%s is not spoken with over TLS: nothing shows that it has the certificate of --pin", u.Host)
	}
	return nil, nil
}

// tlsConfig checks the certificate of the hub at host:port by its pin.
func (a *app) tlsConfig(at, pin string) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, // VerifyConnection does, with what we know
		VerifyConnection:   func(cs tls.ConnectionState) error { return a.checkPin(at, pin, cs.PeerCertificates) },
	}
}

func (a *app) checkPin(at, pin string, certs []*x509.Certificate) error {
	if len(certs) == 0 {
		return errors.New("the hub showed no certificate")
	}
	sum := sha256.Sum256(certs[0].Raw)
	shown := hex.EncodeToString(sum[:])
	if pin != "" {
		if want := plainPin(pin); want != shown {
			return fail(exitForbidden, "the hub prints its fingerprint when it starts", "the certificate of %s has the fingerprint %s, not %s", at, shown, want)
		}
		return nil
	}
	file := a.knownHubs()
	known, err := knownPin(file, at)
	switch {
	case err != nil:
		return err
	case known == shown:
		return nil
	case known != "":
		return fail(exitForbidden,
			"somebody may be listening in. If the hub was installed anew, remove its line from "+file+", or give --pin with the fingerprint that it prints",
			"the certificate of %s has changed: it was %s, now it is %s", at, known, shown)
	}
	if vouched(at, certs) {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(f, "%s %s\n", at, shown)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		a.note("the fingerprint cannot be kept: %v", err)
	}
	a.note("%s is a new hub; its certificate has the SHA-256 fingerprint %s", at, shown)
	return nil
}

// vouched tells whether an authority that the system trusts signed for the name.
func vouched(at string, certs []*x509.Certificate) bool {
	host, _, err := net.SplitHostPort(at)
	if err != nil {
		host = strings.Trim(at, "[]")
	}
	o := x509.VerifyOptions{DNSName: host, Intermediates: x509.NewCertPool()}
	for _, c := range certs[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err = certs[0].Verify(o)
	return err == nil
}

// plainPin is a fingerprint as people copy it: with colons, in capitals.
func plainPin(s string) string {
	return strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(s))
}

// knownHubs is the file of fingerprints: a line each, host:port and SHA-256.
func (a *app) knownHubs() string {
	file := a.stateFile("", "known_hubs")
	_ = os.MkdirAll(filepath.Dir(file), 0o700)
	return file
}

// stateFile is a file of this machine's state, in dir if that is not "". Where
// there is no state it is one that is not there.
func (a *app) stateFile(dir, name string) string {
	dir = cmp.Or(dir, a.getenv("TOPICD_STATE"), stateDir(a.getenv, os.Geteuid() == 0))
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, name)
}

func knownPin(file, at string) (string, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	for _, l := range strings.Split(string(text), "\n") {
		if f := strings.Fields(l); len(f) == 2 && f[0] == at {
			return plainPin(f[1]), err
		}
	}
	return "", err
}
