package access

import (
	"net/netip"

	"topicd/codec"
	"topicd/node"
)

// Admit is where a peer is let in by what it says of itself, whatever it speaks:
// the hello of the native dialect, the CONNECT of another. now are the rights
// that its connection has, given by its token of the upgrade or its address;
// addr is its host:port. What it may go by is left in c: a token may belong to
// one device, and who may nothing goes by no name. A device that joins gets a
// token. It does not wait: a poll loop calls it.
func (g *Gate) Admit(now node.Rights, addr string, c *node.Credentials) (node.Rights, string, *codec.Error) {
	was, _ := now.(*Grant)
	from := Addr(addr)
	r, dev, token, err := g.hello(was, from, c.Dev, c.Name, c.Token)
	if err != nil {
		if err.Code == codec.CodeUnauthorized {
			g.opt.Told.Token(g.opt.Log, from.String(), err)
		}
		return nil, "", err
	}
	if token != "" {
		g.opt.Log.Info("joined", "dev", Short(dev), "from", from.String())
	}
	c.Dev = dev
	if r.Nobody() { // presence would say that the device of that name is here, and then that it is gone
		c.Dev, c.Name = "", ""
	}
	return r, token, nil
}

// Addr is the address of "host:port"; what is none counts as a stranger's.
func Addr(addr string) netip.Addr {
	a, _ := netip.ParseAddrPort(addr)
	return a.Addr()
}
