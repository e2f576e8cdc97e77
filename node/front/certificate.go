package front

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"topicd/node/state"
)

// Certificate is what the hub shows over TLS.
type Certificate struct {
	cert, key string // files
	own       bool   // made by the hub
	log       *slog.Logger
	shown     atomic.Pointer[tls.Certificate]
}

// Files of the certificate that the hub makes for itself.
const (
	CertFile = "tls-cert.pem"
	KeyFile  = "tls-key.pem"
)

// OpenCertificate reads the certificate of two files. Where they are the hub's
// own, they are made at the first start and never again: clients have pinned it.
func OpenCertificate(cert, key string, own bool, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key, own: own, log: log}
	err := c.Reload()
	if !own || err == nil || errors.Is(err, fs.ErrPermission) {
		return c, err
	}
	if exists(cert) || exists(key) {
		state.SetAside(log, "a new certificate is made, and clients that pinned the old one refuse it until they are told", err, cert, key)
	}
	if err := makeCertificate(cert, key, time.Now()); err != nil {
		return nil, err
	}
	return c, c.Reload()
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

// Reload reads the files again; connections that are there keep the old one. If
// they cannot be read the old one stays.
func (c *Certificate) Reload() error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	c.shown.Store(&pair)
	return nil
}

// Fingerprint is its SHA-256 in hex, "" of none.
func (c *Certificate) Fingerprint() string {
	if c == nil {
		return ""
	}
	sum := sha256.Sum256(c.shown.Load().Certificate[0])
	return hex.EncodeToString(sum[:])
}

// tlsConfig is for endpoints of HTTP, or bare ones.
func (f *Front) tlsConfig(bare bool) *tls.Config {
	c := &tls.Config{
		GetCertificate:     func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.opt.Cert.shown.Load(), nil },
		GetConfigForClient: f.chargeHandshake,
	}
	if !bare {
		c.NextProtos = []string{"http/1.1"} // a WebSocket is not spoken over HTTP/2 here
	}
	return c
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// makeCertificate makes an ECDSA P-256 key, which small devices can check, and
// signs a certificate for this machine's names and addresses with it.
func makeCertificate(certFile, keyFile string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	name, _ := os.Hostname()
	name, _, _ = strings.Cut(name, ".")
	t := x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "topicd " + name},
		// A board without a clock of its own may live in 1970, and learn the time later.
		NotBefore:             time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              later(now.AddDate(10, 0, 0), time.Date(2037, 12, 31, 0, 0, 0, 0, time.UTC)),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           append([]net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, networkIPs()...),
	}
	if name != "" {
		t.DNSNames = append(t.DNSNames, name, name+".local")
	}
	der, err := x509.CreateCertificate(rand.Reader, &t, &t, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := state.Write(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})); err != nil {
		return err
	}
	return state.Write(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
