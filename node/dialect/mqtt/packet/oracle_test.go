package packet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
)

// mochi's packets are the oracle. Where the two differ and the standard is on
// our side:
//
//	a packet that ends before its length does, or goes on behind its content     2.1.4
//	properties that reach beyond their length, or stand there twice              2.2.2.2
//	flags with other values than 0 and 1, a receive maximum of 0, an alias of 0  2.2.2.2
//	NUL in a string that mochi takes for bytes (user name)                       1.5.4-2
//	a length written longer than need be, in MQTT 5                              1.5.5-1
//	reserved bits of CONNACK and of a subscription's options                     3.2.2-1, 3.8.3-5
//	reason codes that a packet may not carry                                     2.4
//	the reason of a DISCONNECT of one byte, which mochi does not read            3.14.2.1
//	an AUTH without content, which mochi refuses                                 3.15.2.1
//	empty passwords, user names and will payloads, which mochi refuses           3.1.3
//
// So what we take mochi takes and reads the same, but for the last three.
func mochi(pkt []byte, v Version) (s string, err error) {
	defer func() {
		if r := recover(); r != nil { // it indexes behind the end of a cut packet
			err = fmt.Errorf("%v", r)
		}
	}()
	body := pkt[2:]
	for i := 1; pkt[i] >= 0x80; i++ {
		body = pkt[i+2:]
	}
	p := packets.Packet{ProtocolVersion: byte(v)}
	if err := p.FixedHeader.Decode(pkt[0]); err != nil {
		return "", err
	}
	p.FixedHeader.Remaining = len(body)
	f := []func([]byte) error{nil, p.ConnectDecode, p.ConnackDecode, p.PublishDecode, p.PubackDecode, p.PubrecDecode, p.PubrelDecode, p.PubcompDecode,
		p.SubscribeDecode, p.SubackDecode, p.UnsubscribeDecode, p.UnsubackDecode, p.PingreqDecode, p.PingrespDecode, p.DisconnectDecode, p.AuthDecode}[p.FixedHeader.Type]
	if f == nil {
		return "", errors.New("type 0")
	}
	if err := f(body); err != nil {
		return "", err
	}
	return viewMochi(&p), nil
}

func viewMochi(p *packets.Packet) string {
	t := Type(p.FixedHeader.Type)
	switch t {
	case CONNECT:
		c := &p.Connect
		s := fmt.Sprintf("CONNECT v%d clean %v keep %d id %q %s", p.ProtocolVersion, c.Clean, c.Keepalive, c.ClientIdentifier, mochiProps(&p.Properties))
		if c.WillFlag {
			s += fmt.Sprintf(" will %q %q %d %v %s", c.WillTopic, c.WillPayload, c.WillQos, c.WillRetain, mochiProps(&c.WillProperties))
		}
		return s + fmt.Sprintf(" user %v %q password %v %q", c.UsernameFlag, c.Username, c.PasswordFlag, c.Password)
	case CONNACK:
		return fmt.Sprintf("CONNACK %v %d %s", p.SessionPresent, p.ReasonCode, mochiProps(&p.Properties))
	case PUBLISH:
		return fmt.Sprintf("PUBLISH %d %v %v %q id %d %s %q", p.FixedHeader.Qos, p.FixedHeader.Dup, p.FixedHeader.Retain, p.TopicName, p.PacketID, mochiProps(&p.Properties), p.Payload)
	case PUBACK, PUBREC, PUBREL, PUBCOMP:
		return fmt.Sprintf("%s %d %d %s", t, p.PacketID, p.ReasonCode, mochiProps(&p.Properties))
	case SUBSCRIBE:
		s := fmt.Sprintf("SUBSCRIBE %d %s", p.PacketID, mochiProps(&p.Properties))
		for _, f := range p.Filters {
			s += fmt.Sprintf(" %q %d %v %v %d", f.Filter, f.Qos, f.NoLocal, f.RetainAsPublished, f.RetainHandling)
		}
		return s
	case UNSUBSCRIBE:
		s := fmt.Sprintf("UNSUBSCRIBE %d %s", p.PacketID, mochiProps(&p.Properties))
		for _, f := range p.Filters {
			s += fmt.Sprintf(" %q", f.Filter)
		}
		return s
	case SUBACK, UNSUBACK:
		return fmt.Sprintf("%s %d %s %v", t, p.PacketID, mochiProps(&p.Properties), p.ReasonCodes)
	case PINGREQ, PINGRESP:
		return t.String()
	}
	return fmt.Sprintf("%s %d %s", t, p.ReasonCode, mochiProps(&p.Properties))
}

// mochiProps leaves out what is zero and has no flag: mochi cannot tell it from
// what is not there.
func mochiProps(p *packets.Properties) string {
	var out []string
	num := func(id Prop, n uint32, there bool) {
		if there {
			out = append(out, fmt.Sprintf("%d=%d", id, n))
		}
	}
	val := func(id Prop, s string) {
		if s != "" {
			out = append(out, fmt.Sprintf("%d=%q", id, s))
		}
	}
	num(PayloadFormat, uint32(p.PayloadFormat), p.PayloadFormatFlag)
	num(MessageExpiry, p.MessageExpiryInterval, p.MessageExpiryInterval > 0)
	val(ContentType, p.ContentType)
	val(ResponseTopic, p.ResponseTopic)
	val(CorrelationData, string(p.CorrelationData))
	for _, n := range p.SubscriptionIdentifier {
		num(SubscriptionID, uint32(n), true)
	}
	num(SessionExpiry, p.SessionExpiryInterval, p.SessionExpiryIntervalFlag)
	val(AssignedClientID, p.AssignedClientID)
	num(ServerKeepAlive, uint32(p.ServerKeepAlive), p.ServerKeepAliveFlag)
	val(AuthMethod, p.AuthenticationMethod)
	val(AuthData, string(p.AuthenticationData))
	num(RequestProblemInfo, uint32(p.RequestProblemInfo), p.RequestProblemInfoFlag)
	num(WillDelay, p.WillDelayInterval, p.WillDelayInterval > 0)
	num(RequestResponseInfo, uint32(p.RequestResponseInfo), p.RequestResponseInfo > 0)
	val(ResponseInfo, p.ResponseInfo)
	val(ServerReference, p.ServerReference)
	val(ReasonString, p.ReasonString)
	num(ReceiveMaximum, uint32(p.ReceiveMaximum), p.ReceiveMaximum > 0)
	num(TopicAliasMaximum, uint32(p.TopicAliasMaximum), p.TopicAliasMaximum > 0)
	num(TopicAlias, uint32(p.TopicAlias), p.TopicAliasFlag)
	num(MaximumQoS, uint32(p.MaximumQos), p.MaximumQosFlag)
	num(RetainAvailable, uint32(p.RetainAvailable), p.RetainAvailableFlag)
	for _, u := range p.User {
		out = append(out, fmt.Sprintf("38=%q:%q", u.Key, u.Val))
	}
	num(MaximumPacketSize, p.MaximumPacketSize, p.MaximumPacketSize > 0)
	num(WildcardAvailable, uint32(p.WildcardSubAvailable), p.WildcardSubAvailableFlag)
	num(SubIDAvailable, uint32(p.SubIDAvailable), p.SubIDAvailableFlag)
	num(SharedAvailable, uint32(p.SharedSubAvailable), p.SharedSubAvailableFlag)
	slices.Sort(out)
	return "{" + strings.Join(out, " ") + "}"
}

// unsaid drops what mochi cannot tell from what is not there.
func unsaid(s string) string {
	for _, z := range []string{`2=0`, `24=0`, `25=0`, `34=0`, `3=""`, `9=""`, `18=""`, `21=""`, `22=""`, `26=""`, `28=""`, `31=""`} {
		s = strings.ReplaceAll(s, "{"+z+"}", "{}")
		s = strings.ReplaceAll(s, "{"+z+" ", "{")
		s = strings.ReplaceAll(s, " "+z+" ", " ")
		s = strings.ReplaceAll(s, " "+z+"}", "}")
	}
	return s
}

// against compares a packet that we took with what mochi makes of it.
func against(t *testing.T, pkt []byte, v Version, p appender) {
	t.Helper()
	if e, ok := p.(*End); ok && (e.Type == AUTH && pkt[1] < 2 || e.Type == DISCONNECT && pkt[1] == 1) {
		return
	}
	if c, ok := p.(*anyConnect); ok {
		v = c.Version
		if c.HasUser && len(c.User) == 0 && !c.HasPassword {
			return
		}
	}
	want, err := mochi(pkt, v)
	if err != nil {
		t.Errorf("%x (v%d): mochi refuses %s: %v", pkt, v, view(p), err)
	} else if got := unsaid(view(p)); got != want && unsaid(want) != got {
		t.Errorf("%x (v%d):\nours  %s\nmochi %s", pkt, v, got, want)
	}
}

func TestMochiReadsTheStandardsPacketsTheSame(t *testing.T) {
	for _, x := range vectors {
		b := unhex(t, x.hex)
		if p, err := decode(b, x.v); err == nil {
			against(t, b, x.v, p)
		}
	}
}

// Every packet of mochi's own tests: those that it means to take we take and
// read the same.
func TestMochisOwnPackets(t *testing.T) {
	taken, refused := 0, 0
	for _, cases := range packets.TPacketData {
		for _, c := range cases {
			if len(c.RawBytes) < 2 {
				continue
			}
			v := V4
			if c.Packet != nil && c.Packet.ProtocolVersion > 0 {
				v = Version(c.Packet.ProtocolVersion)
			}
			pkt, rest, err := Split(c.RawBytes, MaxRemaining)
			if err == nil && pkt != nil && len(rest) == 0 {
				var p appender
				if p, err = decode(pkt, v); err == nil {
					taken++
					if c.FailFirst == nil {
						against(t, pkt, v, p)
					}
					continue
				}
			}
			refused++
			if c.Primary && c.FailFirst == nil && c.Expect == nil && c.Group == "" {
				t.Errorf("%s: %x (v%d) is refused: %v", c.Desc, c.RawBytes, v, err)
			}
		}
	}
	t.Log(taken, "taken,", refused, "refused")
	if taken < 80 {
		t.Error("mochi's cases have gone")
	}
}
