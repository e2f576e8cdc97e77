package main

import (
	"fmt"
	"strings"

	"topicd/cmd/internal/command"
	"topicd/node/front"
)

// openTLS reads the certificate that --tls names, or the hub's own; nil: no TLS.
func (s *server) openTLS() (*front.Certificate, error) {
	if s.set.tls == "off" && len(s.set.tlsListen) == 0 {
		return nil, nil
	}
	cert, key, own := s.state.File(front.CertFile), s.state.File(front.KeyFile), true
	hint := "remove both " + front.CertFile + " and " + front.KeyFile + " to have new ones made: clients that pinned the old one will refuse it"
	if s.set.tls != "off" && s.set.tls != "auto" {
		cert, key, _ = strings.Cut(s.set.tls, ",")
		own, hint = false, "--tls=auto makes a certificate, --tls=CERT,KEY names the files of one"
	}
	c, err := front.OpenCertificate(cert, key, own, s.log)
	if err != nil {
		return nil, command.Fail(command.Failed, hint, "no TLS certificate: %w", err)
	}
	return c, nil
}

func checkTLS(text string) error {
	cert, key, two := strings.Cut(text, ",")
	if text == "off" || text == "auto" || two && cert != "" && key != "" {
		return nil
	}
	return fmt.Errorf("%q is none of off, auto, CERT,KEY", text)
}
