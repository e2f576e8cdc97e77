package main

import (
	"strings"

	"topicd/cmd/internal/command"
	"topicd/node/front"
)

// openTLS reads the certificate that --tls names, or the hub's own; nil: no TLS.
func (s *server) openTLS() (*front.Certificate, error) {
	if s.set.TLS == "off" && len(s.set.TLSListen) == 0 {
		return nil, nil
	}
	cert, key, own := s.state.File(front.CertFile), s.state.File(front.KeyFile), true
	hint := "remove both " + front.CertFile + " and " + front.KeyFile + " to have new ones made: clients that pinned the old one will refuse it"
	if s.set.TLS != "off" && s.set.TLS != "auto" {
		cert, key, _ = strings.Cut(s.set.TLS, ",")
		own, hint = false, "--tls=auto makes a certificate, --tls=CERT,KEY names the files of one"
	}
	c, err := front.OpenCertificate(cert, key, own, s.log)
	if err != nil {
		return nil, command.Fail(command.Failed, hint, "no TLS certificate: %w", err)
	}
	return c, nil
}
