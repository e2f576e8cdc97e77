package main

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
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"rsc.io/qr"

	"topicd/node/access"
)

// certificate is what the hub shows over TLS.
type certificate struct {
	config      *tls.Config
	fingerprint string // SHA-256 in hex
}

// Files of the certificate that the hub made for itself.
const (
	certFile = "tls-cert.pem"
	keyFile  = "tls-key.pem"
)

// openTLS reads the certificate that --tls names, or the hub's own, which is
// made at the first start and never again: clients have pinned it.
func (s *server) openTLS() error {
	if s.set.tls == "off" && len(s.set.tlsListen) == 0 {
		return nil
	}
	cert, key, own := s.set.tls, "", false
	if cert == "off" || cert == "auto" {
		cert, key, own = filepath.Join(s.set.state, certFile), filepath.Join(s.set.state, keyFile), true
	} else {
		cert, key, _ = strings.Cut(cert, ",")
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if own && errors.Is(err, fs.ErrNotExist) && !exists(cert) && !exists(key) {
		if err = makeCertificate(cert, key); err == nil {
			pair, err = tls.LoadX509KeyPair(cert, key)
		}
	}
	if err != nil {
		hint := "--tls=auto makes a certificate, --tls=CERT,KEY names the files of one"
		if own {
			hint = "remove both " + certFile + " and " + keyFile + " to have new ones made: clients that pinned the old one will refuse it"
		}
		return fail(exitFailed, hint, "no TLS certificate: %w", err)
	}
	sum := sha256.Sum256(pair.Certificate[0])
	s.cert = &certificate{
		// HTTP/1.1 only: a WebSocket is not spoken over HTTP/2 here.
		config:      &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}, GetConfigForClient: s.chargeHandshake},
		fingerprint: hex.EncodeToString(sum[:]),
	}
	return nil
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

// makeCertificate makes an ECDSA P-256 key, which small devices can check, and
// signs a certificate for this machine's names and addresses with it.
func makeCertificate(certFile, keyFile string) error {
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
		// A board without a clock of its own may live in 1970.
		NotBefore:             time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Now().AddDate(10, 0, 0),
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
	if err := access.WriteSecret(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})); err != nil {
		return err
	}
	return access.WriteSecret(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// drawQR writes a QR code (ISO 18004) for a terminal, two rows a line.
func drawQR(text string) string {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return ""
	}
	const quiet = 2 // modules of margin: phones manage with less than the standard's 4
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString("  ")
		for x := -quiet; x < code.Size+quiet; x++ {
			// Light modules are drawn: terminals are dark.
			switch top, low := !code.Black(x, y), !code.Black(x, y+1); {
			case top && low:
				b.WriteString("█")
			case top:
				b.WriteString("▀")
			case low:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func checkTLS(text string) error {
	cert, key, two := strings.Cut(text, ",")
	if text == "off" || text == "auto" || two && cert != "" && key != "" {
		return nil
	}
	return fmt.Errorf("%q is none of off, auto, CERT,KEY", text)
}

// fingerprint is the certificate's SHA-256 in hex, "" without TLS.
func (s *server) fingerprint() string {
	if s.cert == nil {
		return ""
	}
	return s.cert.fingerprint
}
