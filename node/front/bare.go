package front

import (
	"crypto/tls"
	"errors"
	"net"
	"time"

	"topicd/node"
	"topicd/node/access"
	"topicd/node/pause"
)

// serveBare lets connections in that are no HTTP: counted and encrypted as all,
// with the rights that an address has without a token. What its dialect learns
// of the peer later it brings to access.Gate.Admit. It returns when the endpoint
// does not accept any more.
func (f *Front) serveBare(e *endpoint, take func(net.Conn, node.Arrival)) error {
	for {
		c, err := e.Accept()
		var passing interface{ Temporary() bool }
		switch {
		case err == nil:
		case errors.As(err, &passing) && passing.Temporary(): // too many open files, say
			if !pause.For(f.ctx, 50*time.Millisecond) {
				return err
			}
			continue
		default:
			return err
		}
		if t, ok := c.(*tls.Conn); ok {
			f.tasks.Go(func() { f.shake(t, e, take) })
			continue
		}
		f.hand(c, e, take)
	}
}

// shake does the handshake of TLS, which a peer must not draw out.
func (f *Front) shake(c *tls.Conn, e *endpoint, take func(net.Conn, node.Arrival)) {
	if f.opt.Header > 0 {
		_ = c.SetDeadline(time.Now().Add(f.opt.Header))
	}
	if err := c.HandshakeContext(f.ctx); err != nil {
		_ = c.Close()
		f.peers.leave(tcpAddr(c.RemoteAddr()))
		return
	}
	_ = c.SetDeadline(time.Time{})
	f.hand(c, e, take)
}

func (f *Front) hand(c net.Conn, e *endpoint, take func(net.Conn, node.Arrival)) {
	addr := c.RemoteAddr().String()
	rights, _ := f.in.Gate.Judge(access.Source{Addr: access.Addr(addr)}, "") // refuses tokens only
	take(c, node.Arrival{Addr: addr, Port: e.port(), Dialect: e.dialect, Rights: rights})
}
