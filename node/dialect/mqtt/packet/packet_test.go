package packet

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// appender is every packet's way back to bytes.
type appender interface {
	Append(dst []byte, v Version) []byte
}

type anyConnect struct{ Connect }

func (p *anyConnect) Append(dst []byte, _ Version) []byte { return p.Connect.Append(dst) }

type ping Type

func (p ping) Append(dst []byte, _ Version) []byte { return AppendPing(dst, Type(p)) }

// decode decodes a packet of any type.
func decode(pkt []byte, v Version) (appender, *Error) {
	switch t := TypeOf(pkt); t {
	case CONNECT:
		p := new(anyConnect)
		return p, p.Decode(pkt)
	case CONNACK:
		p := new(Connack)
		return p, p.Decode(pkt, v)
	case PUBLISH:
		p := new(Publish)
		return p, p.Decode(pkt, v)
	case PUBACK, PUBREC, PUBREL, PUBCOMP:
		p := new(Ack)
		return p, p.Decode(pkt, v)
	case SUBSCRIBE:
		p := new(Subscribe)
		return p, p.Decode(pkt, v)
	case UNSUBSCRIBE:
		p := new(Unsubscribe)
		return p, p.Decode(pkt, v)
	case SUBACK, UNSUBACK:
		p := new(SubAck)
		return p, p.Decode(pkt, v)
	case PINGREQ, PINGRESP:
		return ping(t), CheckPing(pkt, v)
	default:
		p := new(End)
		return p, p.Decode(pkt, v)
	}
}

// view is a packet as text, the same for one that mochi decoded: see oracle_test.go.
func view(p appender) string {
	switch p := p.(type) {
	case *anyConnect:
		s := fmt.Sprintf("CONNECT v%d clean %v keep %d id %q %s", p.Version, p.CleanStart, p.KeepAlive, p.ClientID, viewProps(p.Props))
		if p.HasWill {
			s += fmt.Sprintf(" will %q %q %d %v %s", p.Will.Topic, p.Will.Payload, p.Will.QoS, p.Will.Retain, viewProps(p.Will.Props))
		}
		return s + fmt.Sprintf(" user %v %q password %v %q", p.HasUser, p.User, p.HasPassword, p.Password)
	case *Connack:
		return fmt.Sprintf("CONNACK %v %d %s", p.SessionPresent, p.Code, viewProps(p.Props))
	case *Publish:
		return fmt.Sprintf("PUBLISH %d %v %v %q id %d %s %q", p.QoS, p.Dup, p.Retain, p.Topic, p.ID, viewProps(p.Props), p.Payload)
	case *Ack:
		return fmt.Sprintf("%s %d %d %s", p.Type, p.ID, p.Reason, viewProps(p.Props))
	case *Subscribe:
		s := fmt.Sprintf("SUBSCRIBE %d %s", p.ID, viewProps(p.Props))
		for f := range p.Filters.All {
			s += fmt.Sprintf(" %q %d %v %v %d", f.Filter, f.QoS, f.NoLocal, f.AsPublished, f.RetainHandling)
		}
		return s
	case *Unsubscribe:
		s := fmt.Sprintf("UNSUBSCRIBE %d %s", p.ID, viewProps(p.Props))
		for f := range p.Filters.All {
			s += fmt.Sprintf(" %q", f)
		}
		return s
	case *SubAck:
		return fmt.Sprintf("%s %d %s %v", p.Type, p.ID, viewProps(p.Props), p.Codes)
	case *End:
		return fmt.Sprintf("%s %d %s", p.Type, p.Reason, viewProps(p.Props))
	case ping:
		return Type(p).String()
	}
	return "?"
}

func viewProps(p Props) string {
	var out []string
	for v := range p.All {
		switch props[v.ID].kind {
		case kindPair:
			out = append(out, fmt.Sprintf("38=%q:%q", v.Key, v.Val))
		case kindText, kindTopic, kindBinary:
			out = append(out, fmt.Sprintf("%d=%q", v.ID, v.Val))
		default:
			out = append(out, fmt.Sprintf("%d=%d", v.ID, v.Num))
		}
	}
	slices.Sort(out) // stable enough: user properties of one key keep no order here
	return "{" + strings.Join(out, " ") + "}"
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Vectors written from the figures and tables of the two standards.
var vectors = []struct {
	clause string
	v      Version
	hex    string
	view   string
}{
	{"3.1.1 3.1", 4, "10 10 0004 4d515454 04 02 003c 0004 74657374", `CONNECT v4 clean true keep 60 id "test" {} user false "" password false ""`},
	{"3.1.1 3.1.2, figure 3.4", 4, "10 21 0004 4d515454 04 ce 000a 0001 63 0001 77 0003 627965 0004 75736572 0004 70617373",
		`CONNECT v4 clean true keep 10 id "c" {} will "w" "bye" 1 false {} user true "user" password true "pass"`},
	{"3.1 with MQIsdp", 3, "10 11 0006 4d5149736470 03 02 000a 0003 6f6c64", `CONNECT v3 clean true keep 10 id "old" {} user false "" password false ""`},
	{"3.1.2, figure 3-6", 5, "10 12 0004 4d515454 05 02 000a 05 11 0000000a 0000", `CONNECT v5 clean true keep 10 id "" {17=10} user false "" password false ""`},
	{"3.1.2.6 password without user", 5, "10 12 0004 4d515454 05 42 0000 00 0000 0003 746f6b", `CONNECT v5 clean true keep 0 id "" {} user false "" password true "tok"`},
	{"3.1.3.2 will", 5, "10 1a 0004 4d515454 05 2c 0000 00 0001 63 05 18 00000005 0001 77 0001 78",
		`CONNECT v5 clean false keep 0 id "c" {} will "w" "x" 1 true {24=5} user false "" password false ""`},
	{"3.1.1 3.2", 4, "20 02 01 00", `CONNACK true 0 {}`},
	{"3.1.1 3.2.2.3", 4, "20 02 00 05", `CONNACK false 5 {}`},
	{"3.2", 5, "20 0a 00 00 07 22 0010 12 0001 61", `CONNACK false 0 {18="a" 34=16}`},
	{"3.2.2.2", 5, "20 03 00 84 00", `CONNACK false 132 {}`},
	{"3.1.1 3.3, figure 3.11", 4, "32 07 0003 612f62 000a", `PUBLISH 1 false false "a/b" id 10 {} ""`},
	{"3.3.1 all flags", 4, "3d 06 0001 61 0001 78", `PUBLISH 2 true true "a" id 1 {} "x"`},
	{"3.3, figure 3-9", 5, "30 06 0003 612f62 00", `PUBLISH 0 false false "a/b" id 0 {} ""`},
	{"3.3.2.3.4 alias", 5, "30 08 0000 03 23 0001 6869", `PUBLISH 0 false false "" id 0 {35=1} "hi"`},
	{"3.3.2.3.8 two identifiers", 5, "30 0a 0001 61 05 0b 01 0b 8001 78", `PUBLISH 0 false false "a" id 0 {11=1 11=128} "x"`},
	{"3.4", 4, "40 02 000a", `PUBACK 10 0 {}`},
	{"3.4.2.1 short form", 5, "40 02 000a", `PUBACK 10 0 {}`},
	{"3.4.2.1", 5, "40 03 000a 10", `PUBACK 10 16 {}`},
	{"3.4.2.2", 5, "40 08 000a 80 04 1f 0001 62", `PUBACK 10 128 {31="b"}`},
	{"3.5", 5, "50 03 000a 91", `PUBREC 10 145 {}`},
	{"3.6", 4, "62 02 000a", `PUBREL 10 0 {}`},
	{"3.7", 5, "70 03 000a 92", `PUBCOMP 10 146 {}`},
	{"3.1.1 3.8, figure 3.23", 4, "82 0e 000a 0003 612f62 01 0003 632f64 02", `SUBSCRIBE 10 {} "a/b" 1 false false 0 "c/d" 2 false false 0`},
	{"3.8.3.1", 5, "82 0b 000a 02 0b 07 0003 612f62 2d", `SUBSCRIBE 10 {11=7} "a/b" 1 true true 2`},
	{"3.1.1 3.9", 4, "90 05 000a 00 02 80", `SUBACK 10 {} [0 2 128]`},
	{"3.9", 5, "90 06 000a 00 00 01 8f", `SUBACK 10 {} [0 1 143]`},
	{"3.10", 5, "a2 0d 000a 00 0003 612f62 0003 632f64", `UNSUBSCRIBE 10 {} "a/b" "c/d"`},
	{"3.1.1 3.11", 4, "b0 02 000a", `UNSUBACK 10 {} []`},
	{"3.11", 5, "b0 05 000a 00 00 11", `UNSUBACK 10 {} [0 17]`},
	{"3.12", 4, "c0 00", `PINGREQ`},
	{"3.13", 5, "d0 00", `PINGRESP`},
	{"3.14", 4, "e0 00", `DISCONNECT 0 {}`},
	{"3.14.2.1", 5, "e0 01 04", `DISCONNECT 4 {}`},
	{"3.14.2.2", 5, "e0 07 00 05 11 00000e10", `DISCONNECT 0 {17=3600}`},
	{"3.15", 5, "f0 08 18 06 15 0003 582d31", `AUTH 24 {21="X-1"}`},
	{"3.15.2 short form", 5, "f0 00", `AUTH 0 {}`},
}

func TestPacketsOfTheStandardsBothWays(t *testing.T) {
	for _, x := range vectors {
		b := unhex(t, x.hex)
		pkt, rest, err := Split(append(b, 0xff), 1000)
		if err != nil || !bytes.Equal(pkt, b) || len(rest) != 1 {
			t.Errorf("%s: split %x, %x, %v", x.clause, pkt, rest, err)
			continue
		}
		p, err := decode(pkt, x.v)
		if err != nil {
			t.Errorf("%s: %v", x.clause, err)
			continue
		}
		if got := view(p); got != x.view {
			t.Errorf("%s:\ngot  %s\nwant %s", x.clause, got, x.view)
		}
		if got := p.Append(nil, x.v); !bytes.Equal(got, b) {
			t.Errorf("%s: written %x, read %x", x.clause, got, b)
		}
		if q, ok := p.(*Publish); ok && q.Size(x.v) != len(b) {
			t.Errorf("%s: Size %d of %d", x.clause, q.Size(x.v), len(b))
		}
	}
}

func TestWhatBreaksTheStandardIsRefusedWithItsReasonAndClause(t *testing.T) {
	for _, x := range []struct {
		why    string
		v      Version
		hex    string
		reason Reason
		clause string
	}{
		{"type 0", 4, "00 00", Malformed, "2.1.2"},
		{"flags of PINGREQ", 4, "c1 00", Malformed, "2.1.3-1"},
		{"flags of SUBSCRIBE", 4, "80 06 0001 0001 61 00", Malformed, "2.1.3-1"},
		{"flags of PUBREL", 5, "60 02 0001", Malformed, "2.1.3-1"},
		{"QoS 3", 4, "36 05 0001 61 0001", Malformed, "3.3.1-4"},
		{"DUP with QoS 0", 4, "38 03 0001 61", Malformed, "3.3.1-2"},
		{"five bytes of length", 4, "30 80 80 80 80 01", Malformed, "1.5.5"},
		{"long form of a length", 5, "c0 80 00", Malformed, "1.5.5-1"},
		{"content of a PINGREQ", 4, "c0 01 00", Malformed, "2.1.4"},
		{"protocol name", 4, "10 0d 0004 4d515458 04 02 003c 0001 63", UnsupportedVersion, "3.1.2-1"},
		{"protocol level", 4, "10 0d 0004 4d515454 06 02 003c 0001 63", UnsupportedVersion, "3.1.2-2"},
		{"reserved flag of CONNECT", 4, "10 0d 0004 4d515454 04 03 003c 0001 63", Malformed, "3.1.2-3"},
		{"will QoS 3", 4, "10 13 0004 4d515454 04 1e 003c 0001 63 0001 77 0001 78", Malformed, "3.1.2-12"},
		{"will retain without will", 4, "10 0d 0004 4d515454 04 22 003c 0001 63", Malformed, "3.1.2-11"},
		{"will QoS without will", 4, "10 0d 0004 4d515454 04 0a 003c 0001 63", Malformed, "3.1.2-11"},
		{"password without user", 4, "10 10 0004 4d515454 04 42 003c 0001 63 0001 70", Malformed, "3.1.2-22"},
		{"user flag without user", 4, "10 0d 0004 4d515454 04 82 003c 0001 63", Malformed, "2.1.4"},
		{"bytes behind CONNECT", 4, "10 0e 0004 4d515454 04 02 003c 0001 63 00", Malformed, "2.1.4"},
		{"client id with NUL", 4, "10 0d 0004 4d515454 04 02 003c 0001 00", Malformed, "1.5.4-1"},
		{"client id with a surrogate", 4, "10 0f 0004 4d515454 04 02 003c 0003 eda080", Malformed, "1.5.4-1"},
		{"will topic with wildcard", 4, "10 12 0004 4d515454 04 06 003c 0001 63 0001 23 0000", BadTopic, "3.3.2-2"},
		{"authentication data alone", 5, "10 12 0004 4d515454 05 02 003c 04 16 0001 61 0001 63", ProtocolError, "3.1.2.11.10"},
		{"receive maximum 0", 5, "10 11 0004 4d515454 05 02 003c 03 21 0000 0001 63", ProtocolError, "2.2.2.2"},
		{"session expiry twice", 5, "10 18 0004 4d515454 05 02 003c 0a 11 00000001 11 00000001 0001 63", ProtocolError, "2.2.2.2"},
		{"request problem information 2", 5, "10 10 0004 4d515454 05 02 003c 02 17 02 0001 63", ProtocolError, "2.2.2.2"},
		{"property of another packet", 5, "10 11 0004 4d515454 05 02 003c 03 23 0001 0001 63", Malformed, "2.2.2.2"},
		{"will delay outside the will", 5, "10 13 0004 4d515454 05 02 003c 05 18 00000001 0001 63", Malformed, "2.2.2.2"},
		{"CONNACK flags", 4, "20 02 02 00", Malformed, "3.2.2-1"},
		{"session present and refused", 4, "20 02 01 05", ProtocolError, "3.2.2-6"},
		{"empty topic", 4, "30 02 0000", BadTopic, "4.7.3-1"},
		{"no topic and no alias", 5, "30 03 0000 00", ProtocolError, "3.3.2.3.4"},
		{"wildcard in a topic", 4, "30 05 0003 612f2b", BadTopic, "3.3.2-2"},
		{"wildcard in a long topic", 4, "30 0b 0009 612f626364652f2366", BadTopic, "3.3.2-2"},
		{"NUL in a long topic", 4, "30 0b 0009 612f620064652f6666", Malformed, "1.5.4-1"},
		{"bad UTF-8 in a topic", 4, "30 04 0002 c328", Malformed, "1.5.4-1"},
		{"packet id 0", 4, "32 05 0001 61 0000", ProtocolError, "2.2.1-3"},
		{"topic longer than the packet", 4, "30 04 0005 6162", Malformed, "2.1.4"},
		{"alias 0", 5, "30 07 0001 61 03 23 0000", BadAlias, "3.3.2-8"},
		{"payload format 2", 5, "30 06 0001 61 02 01 02", ProtocolError, "2.2.2.2"},
		{"response topic with wildcard", 5, "30 08 0001 61 04 08 0001 2b", ProtocolError, "3.3.2-14"},
		{"properties longer than the packet", 5, "30 05 0001 61 05 01", Malformed, "2.1.4"},
		{"a property cut by their length", 5, "30 08 0001 61 02 02 00000001", Malformed, "2.1.4"},
		{"PUBACK with a reason of PUBCOMP", 5, "40 03 0001 92", Malformed, "2.4"},
		{"PUBACK of id 0", 4, "40 02 0000", ProtocolError, "2.2.1-3"},
		{"PUBACK of 3.1.1 with a reason", 4, "40 03 0001 00", Malformed, "2.1.4"},
		{"SUBSCRIBE of nothing", 4, "82 02 0001", ProtocolError, "3.8.3-2"},
		{"SUBSCRIBE of id 0", 4, "82 06 0000 0001 61 00", ProtocolError, "2.2.1-3"},
		{"subscription QoS 3", 4, "82 06 0001 0001 61 03", Malformed, "3.8.3.1"},
		{"options of MQTT 5 in 3.1.1", 4, "82 06 0001 0001 61 04", Malformed, "3.8.3-5"},
		{"reserved options", 5, "82 07 0001 00 0001 61 40", Malformed, "3.8.3-5"},
		{"retain handling 3", 5, "82 07 0001 00 0001 61 30", ProtocolError, "3.8.3.1"},
		{"no local on a share", 5, "82 10 0001 00 000a 2473686172652f672f61 04", ProtocolError, "3.8.3-4"},
		{"subscription identifier 0", 5, "82 09 0001 02 0b 00 0001 61 00", ProtocolError, "2.2.2.2"},
		{"UNSUBSCRIBE of nothing", 5, "a2 03 0001 00", ProtocolError, "3.8.3-2"},
		{"DISCONNECT with content in 3.1.1", 4, "e0 01 00", Malformed, "2.1.4"},
		{"DISCONNECT with a reason of CONNACK", 5, "e0 01 8a", Malformed, "2.4"},
		{"AUTH in 3.1.1", 4, "f0 00", ProtocolError, "3.15"},
		{"AUTH without method", 5, "f0 02 18 00", ProtocolError, "3.15.2.2.2"},
	} {
		b := unhex(t, x.hex)
		pkt, _, err := Split(b, 1000)
		if err == nil && pkt != nil {
			_, err = decode(pkt, x.v)
		}
		if err == nil || err.Reason != x.reason || err.Clause != x.clause {
			t.Errorf("%s: %v, want %s of %s", x.why, err, x.reason, x.clause)
		}
	}
}

func TestAPacketComesInPiecesOfOneByte(t *testing.T) {
	p := Publish{Topic: []byte("a/b"), Payload: make([]byte, 300)}
	b := p.Append(nil, V4)
	for n := range b {
		if pkt, rest, err := Split(b[:n], 1000); pkt != nil || err != nil || len(rest) != n {
			t.Fatalf("%d bytes: %d, %d, %v", n, len(pkt), len(rest), err)
		}
	}
	if pkt, rest, err := Split(b, len(b)); len(pkt) != len(b) || len(rest) != 0 || err != nil {
		t.Fatal("the whole", err)
	}
	if _, _, err := Split(b, len(b)-1); err == nil || err.Reason != TooLarge {
		t.Fatal("one byte more than the maximum:", err)
	}
}

func TestAClaimOf256MegabytesIsRefusedByItsHead(t *testing.T) {
	head := []byte{0x30, 0xff, 0xff, 0xff, 0x7f}
	for n := range head {
		if pkt, _, err := Split(head[:n], 1<<20); pkt != nil || err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if _, _, err := Split(head, 1<<20); err == nil || err.Reason != TooLarge {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(10, func() { _, _, _ = Split(head, 1<<20) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFilters(t *testing.T) {
	for f, want := range map[string]Reason{
		"a": 0, "#": 0, "+": 0, "/": 0, "//": 0, "+/+": 0, "/+": 0, "a/#": 0, "+/a/#": 0, " ": 0, "$SYS/#": 0, "ä/+": 0,
		"$share/g/a": 0, "$share/g/#": 0, "$share/g//": 0, "$share": 0, "$shared/+": 0,
		"": BadFilter, "a#": BadFilter, "#/a": BadFilter, "a+": BadFilter, "+a": BadFilter, "a/+b/c": BadFilter, "##": BadFilter, "a/#/": BadFilter,
		"$share/": BadFilter, "$share/g": BadFilter, "$share/g/": BadFilter, "$share/+/a": BadFilter, "$share//a": BadFilter, "$share/g/a#": BadFilter,
		"a\x00": Malformed, "\xff": Malformed,
	} {
		var got Reason
		if err := CheckFilter([]byte(f)); err != nil {
			got = err.Reason
		}
		if got != want {
			t.Errorf("%q: %v, want %v", f, got, want)
		}
	}
	if n, f := Share([]byte("$share/g/a/b")); string(n) != "g" || string(f) != "a/b" {
		t.Error(string(n), string(f))
	}
}

func TestPropertiesAreHandedOnInTheirOrder(t *testing.T) {
	p := Props(nil).AppendNum(PayloadFormat, 1).AppendUser("b", "1").AppendNum(TopicAlias, 3).AppendUser("a", "2").
		AppendVal(CorrelationData, []byte{0, 1}).AppendNum(SubscriptionID, 300).AppendUser("b", "3")
	has, err := checkProps(p, PUBLISH)
	if err != nil || !has.Has(TopicAlias) || has.Has(ContentType) {
		t.Fatal(has, err)
	}
	got := Props(nil).AppendOnly(p, 1<<PayloadFormat|1<<UserProperty|1<<CorrelationData)
	want := Props(nil).AppendNum(PayloadFormat, 1).AppendUser("b", "1").AppendUser("a", "2").AppendVal(CorrelationData, []byte{0, 1}).AppendUser("b", "3")
	if !bytes.Equal(got, want) {
		t.Errorf("%x\n%x", got, want)
	}
	if p.Num(SubscriptionID, 0) != 300 || p.Num(MessageExpiry, 7) != 7 || string(p.Val(CorrelationData)) != "\x00\x01" || p.Val(ContentType) != nil {
		t.Error("values")
	}
}

func TestEveryReasonHasItsPackets(t *testing.T) {
	n := 0
	for i := range reasons {
		if (reasons[i].name == "") != (reasons[i].in == 0) {
			t.Errorf("%02x", i)
		}
		if reasons[i].in != 0 {
			n++
		}
	}
	if n != 43 { // the rows of 2.4
		t.Error(n)
	}
}

func TestWhatIsTooLongIsCutAndStaysAPacket(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 70_000)
	for _, p := range []appender{
		&Publish{Topic: long, Payload: long},
		&anyConnect{Connect{Version: V5, ClientID: long, HasWill: true, Will: Will{Topic: long, Payload: long}, HasUser: true, User: long, HasPassword: true, Password: long}},
		&Ack{Type: PUBACK, ID: 1, Props: Props(nil).AppendVal(ReasonString, long)},
	} {
		b := p.Append(nil, V5)
		pkt, rest, err := Split(b, MaxRemaining)
		if err != nil || len(rest) != 0 {
			t.Fatal(err, len(rest))
		}
		if _, err := decode(pkt, V5); err != nil {
			t.Error(err)
		}
	}
}
