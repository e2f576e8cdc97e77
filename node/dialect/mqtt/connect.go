package mqtt

import (
	"topicd/codec"
	"topicd/node"
	"topicd/node/dialect/mqtt/packet"
)

// maxClientID is the longest client identifier, told by code 133: a hub full of
// them must have its bound.
const maxClientID = 1024

// connect handles a CONNECT (3.1).
func (c *conn) connect(p node.Peer, pkt []byte, turn *node.Turn) {
	var q packet.Connect
	if err := q.Decode(pkt); err != nil {
		c.v = q.Version
		if err.Reason == packet.UnsupportedVersion {
			c.refuse(p, packet.UnsupportedVersion, err.Msg, turn)
			return
		}
		c.srv.hub.Stats.Add(node.CutMalformed, 1)
		if c.v == packet.V5 {
			c.refuse(p, err.Reason, err.Msg, turn)
			return
		}
		c.over = true
		p.End(closeCode(packet.Malformed), err.Msg, turn)
		return
	}
	c.v = q.Version
	if why, msg := c.unfit(&q); why.Failed() {
		c.refuse(p, why, msg, turn)
		return
	}
	id := string(q.ClientID)
	if id == "" {
		id = c.srv.anonymous()
	}
	token, err := c.admit(p, &q, id, turn)
	if err != nil {
		why := reasonOf(err, packet.CONNACK)
		if err.Code == codec.CodeUnauthorized && !q.HasPassword && !q.HasUser {
			why = packet.NotAuthorized
		}
		c.refuse(p, why, err.Msg, turn)
		return
	}
	if q.HasWill {
		w := c.srv.newWill(&q)
		if w == nil {
			c.refuse(p, packet.QuotaExceeded, "the hub has no room for a will of that size", turn)
			return
		}
		c.extra().will = w
	}
	c.own = p.Session()
	cl := &claim{conn: c, peer: p, id: id, v: q.Version, clean: q.CleanStart, expiry: c.expiry(&q), props: needed(q.Props), token: token}
	cl.keepAlive, cl.assigned = q.KeepAlive, len(q.ClientID) == 0
	c.said.Store(int32(c.v))
	client, present := c.srv.enter(cl, turn)
	if client == nil {
		c.extra().claim = cl
		return
	}
	c.start(cl, client, present, turn)
}

// needed are the properties of a CONNECT that are asked for later. The others may be
// a MiB, for each connection that waits for its client.
func needed(p packet.Props) packet.Props {
	return packet.Props(nil).AppendOnly(p, 1<<packet.SessionExpiry|1<<packet.ReceiveMaximum|1<<packet.MaximumPacketSize|1<<packet.TopicAliasMaximum)
}

// unfit says what of a CONNECT is refused whoever sends it.
func (c *conn) unfit(q *packet.Connect) (packet.Reason, string) {
	switch {
	case len(q.ClientID) > maxClientID:
		return packet.BadClientID, "a client identifier of more than 1,024 bytes"
	case len(q.ClientID) == 0 && !q.CleanStart && q.Version != packet.V5:
		return packet.BadClientID, "a session to keep and no client identifier" // 3.1.1: 3.1.3-8
	case q.Props.Val(packet.AuthMethod) != nil:
		return packet.BadAuthMethod, "authentication methods are not spoken here"
	}
	return packet.Success, ""
}

// admit judges who it is: the user name is a token's name or a device, the
// password a token. A device without one that may join gets its token.
func (c *conn) admit(p node.Peer, q *packet.Connect, id string, turn *node.Turn) (token string, err *codec.Error) {
	s := p.Session()
	said := node.Credentials{Name: string(q.User), Token: string(q.Password)}
	if said.Name == "" && len(q.ClientID) > 0 {
		said.Name = id
	}
	if said.Token == "" {
		said.Dev = said.Name
	}
	if door := c.srv.cfg.Door; door != nil {
		now := s.Rights()
		var r node.Rights
		if r, token, err = door.Admit(now, s.Info().Addr, &said); err != nil {
			return "", err
		}
		if n, ok := r.(interface{ Nobody() bool }); ok && n.Nobody() { // who may do nothing is told at once
			return "", errToken
		}
		if r != now {
			s.SetRights(r)
		}
	}
	if said.Dev != "" {
		said.Name = said.Dev
	}
	// A client identifier may be what no name of the hub's can be: then it is nameless.
	_ = s.Name(said.Name, turn)
	return token, nil
}

var errToken = &codec.Error{Code: codec.CodeUnauthorized, Msg: "a token is needed: as the password, with any user name"}

// expiry is for how long the client wants to be kept, as far as it may be.
func (c *conn) expiry(q *packet.Connect) uint32 {
	if q.Version == packet.V5 {
		return c.srv.allowed(q.Props.Num(packet.SessionExpiry, 0))
	}
	if q.CleanStart {
		return 0
	}
	return c.srv.allowed(forever)
}

// resume goes on when the old connection of a client has gone.
func (c *conn) resume(turn *node.Turn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.past
	if c.over || x == nil || x.claim == nil {
		return
	}
	q := x.claim
	client, present := c.srv.enter(q, turn)
	if client == nil {
		return // somebody was faster, and goes for it
	}
	x.claim = nil
	c.start(q, client, present, turn)
}

// start tells the client that it is in (3.2), and sends again what it has not
// acknowledged.
func (c *conn) start(q *claim, client *client, present bool, turn *node.Turn) {
	c.client = client
	p := q.peer
	client.mu.Lock()
	o := &client.out
	o.v, o.values = c.v, c.srv.cfg.Values
	most := uint32(maxWindow)
	if client.keep != nil {
		most = keptWindow
	}
	o.limit = uint8(min(q.props.Num(packet.ReceiveMaximum, most), most))
	o.maxPacket = q.props.Num(packet.MaximumPacketSize, 0)
	o.gives = uint8(min(q.props.Num(packet.TopicAliasMaximum, 0), takenAliases))
	client.emptyLocked(nil)
	o.inLine, o.asked = false, false
	client.dropLateLocked()
	for i := range o.unacked() {
		o.more.flights[i].due, o.more.dues = true, true
	}
	var b [64]byte
	o.put(c.connack(q, present).Append(b[:0], c.v))
	if o.more != nil {
		o.more.aliases = nil
	}
	if q.token != "" && c.v != packet.V5 { // MQTT 5 has it in CONNACK
		t := packet.Publish{Topic: []byte("$topicd/token"), Payload: []byte(q.token)}
		o.put(t.Append(nil, c.v))
	}
	client.mu.Unlock()
	if q.keepAlive > 0 {
		p.SetSilence(int(q.keepAlive) * 1500) // 3.1.2-22
	} else {
		p.SetSilence(-1)
	}
	if client.sess != p.Session() {
		own := p.Session()
		rights, name := own.Rights(), own.Info()
		client.sess.Back(turn)
		client.sess.Patient()
		client.sess.SetRights(rights)
		if present {
			client.judge(turn)
		}
		client.sess.Describe("mqtt", "", turn)
		if name.Named { // before its own session goes: the client does not
			_ = client.sess.Name(name.Client, turn)
		}
		own.Close(turn)
		p.Adopt(client.sess)
	}
	client.attend(turn)
	client.sess.Resume(turn)
	client.touch()
	client.roomier()
	p.(node.Sink).Wake()
}

// connack says what the server does not do as asked (3.2.2.3).
func (c *conn) connack(q *claim, present bool) *packet.Connack {
	a := &packet.Connack{SessionPresent: present}
	if c.v != packet.V5 {
		return a
	}
	if asked := q.props.Num(packet.SessionExpiry, 0); asked != q.expiry {
		a.Props = a.Props.AppendNum(packet.SessionExpiry, q.expiry)
	}
	a.Props = a.Props.AppendNum(packet.ReceiveMaximum, receiveMaximum).AppendNum(packet.MaximumPacketSize, uint32(c.srv.cfg.MaxPacket)).
		AppendNum(packet.TopicAliasMaximum, takenAliases)
	if q.assigned {
		a.Props = a.Props.AppendVal(packet.AssignedClientID, []byte(q.id))
	}
	if q.token != "" {
		a.Props = a.Props.AppendUser("token", q.token)
	}
	return a
}

// refuse answers CONNECT with no, and ends the connection.
func (c *conn) refuse(p node.Peer, why packet.Reason, msg string, turn *node.Turn) {
	c.over = true
	a := packet.Connack{Code: returnCode(why)}
	v := c.v
	if v == packet.V5 {
		a.Code = byte(why)
		a.Props = a.Props.AppendVal(packet.ReasonString, []byte(msg))
	} else {
		v = packet.V4
	}
	p.Send(false, a.Append(nil, v), turn)
	p.End(closeCode(why), msg, turn)
}
