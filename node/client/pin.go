package client

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Pins know hubs by the SHA-256 of their certificates, which hubs sign themselves:
// the one that was given, else the one that was seen first, as ssh does. A
// certificate that the system's authorities vouch for needs no pin.
type Pins struct {
	File string                           // of those seen: a line each, host:port and SHA-256
	Note func(format string, args ...any) // tells people of a new one
}

// PinError says that a hub showed another certificate than was to be expected.
type PinError struct {
	At, Shown, Want string
	File            string // that has Want; "" = it was given
}

func (e *PinError) Error() string {
	if e.File == "" {
		return fmt.Sprintf("the certificate of %s has the fingerprint %s, not %s", e.At, e.Shown, e.Want)
	}
	return fmt.Sprintf("the certificate of %s has changed: it was %s, now it is %s", e.At, e.Want, e.Shown)
}

// TLS checks the certificate of the hub at host:port; pin is the one that was
// given, as people copy it, or "".
func (p *Pins) TLS(at, pin string) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, // VerifyConnection does, with what we know
		VerifyConnection:   func(cs tls.ConnectionState) error { return p.check(at, plainPin(pin), cs.PeerCertificates) },
	}
}

func (p *Pins) check(at, pin string, certs []*x509.Certificate) error {
	if len(certs) == 0 {
		return errors.New("the hub showed no certificate")
	}
	sum := sha256.Sum256(certs[0].Raw)
	shown := hex.EncodeToString(sum[:])
	if pin != "" {
		if pin != shown {
			return &PinError{At: at, Shown: shown, Want: pin}
		}
		return nil
	}
	known, err := p.known(at)
	switch {
	case err != nil:
		return err
	case known == shown:
		return nil
	case known != "":
		return &PinError{At: at, Shown: shown, Want: known, File: p.File}
	}
	if vouched(at, certs) {
		return nil
	}
	_ = os.MkdirAll(filepath.Dir(p.File), 0o700)
	f, err := os.OpenFile(p.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(f, "%s %s\n", at, shown)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		p.Note("the fingerprint cannot be kept: %v", err)
	}
	p.Note("%s is a new hub; its certificate has the SHA-256 fingerprint %s", at, shown)
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

// known is the pin of the hub at host:port, "" if it has not been seen.
func (p *Pins) known(at string) (string, error) {
	text, err := os.ReadFile(p.File)
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
