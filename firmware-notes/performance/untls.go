//go:build ignore

// untls ADDR HUB takes plain connections at ADDR and carries them over TLS to HUB:
// the peers' load generator speaks no TLS. It runs on the generator's core, so what
// is measured of the hub is the hub's; it reads as much as there is at once, so a
// record carries what a client that is as busy would send.
package main

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"os"
	"time"
)

func main() {
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go carry(c.(*net.TCPConn), os.Args[2])
	}
}

// carry waits for a hub that is about to start, as measure.sh's runs do.
func carry(c *net.TCPConn, hub string) {
	defer c.Close()
	conf := &tls.Config{InsecureSkipVerify: true}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		t, err := tls.Dial("tcp", hub, conf)
		if err == nil {
			defer t.Close()
			go func() {
				_, _ = io.Copy(t, c)
				_ = t.CloseWrite()
			}()
			_, _ = io.Copy(c, t)
			return
		}
		if time.Now().After(end) {
			return
		}
	}
}
