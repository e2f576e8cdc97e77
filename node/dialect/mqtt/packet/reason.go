package packet

import "fmt"

// Version is the protocol level of a CONNECT.
type Version byte

const (
	V3 Version = 3 // MQTT 3.1: "MQIsdp", else as 3.1.1
	V4 Version = 4 // MQTT 3.1.1
	V5 Version = 5 // MQTT 5
)

// Type is a packet's type (2.1.2).
type Type byte

const (
	CONNECT Type = iota + 1
	CONNACK
	PUBLISH
	PUBACK
	PUBREC
	PUBREL
	PUBCOMP
	SUBSCRIBE
	SUBACK
	UNSUBSCRIBE
	UNSUBACK
	PINGREQ
	PINGRESP
	DISCONNECT
	AUTH
)

var typeNames = [16]string{
	"reserved", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
	"SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
}

func (t Type) String() string { return typeNames[t&15] }

// TypeOf is the type of a packet that Split returned.
func TypeOf(pkt []byte) Type { return Type(pkt[0] >> 4) }

// Reason is a reason code of MQTT 5 (2.4).
type Reason byte

const (
	Success               Reason = 0x00 // also normal disconnection, granted QoS 0
	GrantedQoS1           Reason = 0x01
	GrantedQoS2           Reason = 0x02
	DisconnectWithWill    Reason = 0x04
	NoMatchingSubscribers Reason = 0x10
	NoSubscription        Reason = 0x11
	ContinueAuth          Reason = 0x18
	Reauthenticate        Reason = 0x19
	Unspecified           Reason = 0x80
	Malformed             Reason = 0x81
	ProtocolError         Reason = 0x82
	ImplementationError   Reason = 0x83
	UnsupportedVersion    Reason = 0x84
	BadClientID           Reason = 0x85
	BadCredentials        Reason = 0x86
	NotAuthorized         Reason = 0x87
	Unavailable           Reason = 0x88
	Busy                  Reason = 0x89
	Banned                Reason = 0x8a
	ShuttingDown          Reason = 0x8b
	BadAuthMethod         Reason = 0x8c
	KeepAliveTimeout      Reason = 0x8d
	TakenOver             Reason = 0x8e
	BadFilter             Reason = 0x8f
	BadTopic              Reason = 0x90
	IDInUse               Reason = 0x91
	IDNotFound            Reason = 0x92
	TooManyInFlight       Reason = 0x93
	BadAlias              Reason = 0x94
	TooLarge              Reason = 0x95
	RateTooHigh           Reason = 0x96
	QuotaExceeded         Reason = 0x97
	Administrative        Reason = 0x98
	BadPayload            Reason = 0x99
	NoRetain              Reason = 0x9a
	NoQoS                 Reason = 0x9b
	UseAnother            Reason = 0x9c
	Moved                 Reason = 0x9d
	NoShared              Reason = 0x9e
	ConnectRate           Reason = 0x9f
	MaxConnectTime        Reason = 0xa0
	NoSubIDs              Reason = 0xa1
	NoWildcards           Reason = 0xa2
)

// reason is what the standard calls a code and the packets that may carry it.
type reason struct {
	name string
	in   uint16 // a bit per Type
}

const (
	inAcks = 1<<PUBACK | 1<<PUBREC
	inSubs = 1<<SUBACK | 1<<UNSUBACK
	inEnd  = 1<<CONNACK | 1<<DISCONNECT
)

// reasons is the table of 2.4 with those of 3.2.2.2, 3.4.2.1, 3.6.2.1, 3.9.3,
// 3.11.3, 3.14.2.1 and 3.15.2.1.
var reasons = [256]reason{
	Success:               {"success", inAcks | inSubs | inEnd | 1<<PUBREL | 1<<PUBCOMP | 1<<AUTH},
	GrantedQoS1:           {"granted QoS 1", 1 << SUBACK},
	GrantedQoS2:           {"granted QoS 2", 1 << SUBACK},
	DisconnectWithWill:    {"disconnect with will message", 1 << DISCONNECT},
	NoMatchingSubscribers: {"no matching subscribers", inAcks},
	NoSubscription:        {"no subscription existed", 1 << UNSUBACK},
	ContinueAuth:          {"continue authentication", 1 << AUTH},
	Reauthenticate:        {"re-authenticate", 1 << AUTH},
	Unspecified:           {"unspecified error", inAcks | inSubs | inEnd},
	Malformed:             {"malformed packet", inEnd},
	ProtocolError:         {"protocol error", inEnd},
	ImplementationError:   {"implementation specific error", inAcks | inSubs | inEnd},
	UnsupportedVersion:    {"unsupported protocol version", 1 << CONNACK},
	BadClientID:           {"client identifier not valid", 1 << CONNACK},
	BadCredentials:        {"bad user name or password", 1 << CONNACK},
	NotAuthorized:         {"not authorized", inAcks | inSubs | inEnd},
	Unavailable:           {"server unavailable", 1 << CONNACK},
	Busy:                  {"server busy", inEnd},
	Banned:                {"banned", 1 << CONNACK},
	ShuttingDown:          {"server shutting down", 1 << DISCONNECT},
	BadAuthMethod:         {"bad authentication method", inEnd},
	KeepAliveTimeout:      {"keep alive timeout", 1 << DISCONNECT},
	TakenOver:             {"session taken over", 1 << DISCONNECT},
	BadFilter:             {"topic filter invalid", inSubs | 1<<DISCONNECT},
	BadTopic:              {"topic name invalid", inAcks | inEnd},
	IDInUse:               {"packet identifier in use", inAcks | inSubs},
	IDNotFound:            {"packet identifier not found", 1<<PUBREL | 1<<PUBCOMP},
	TooManyInFlight:       {"receive maximum exceeded", 1 << DISCONNECT},
	BadAlias:              {"topic alias invalid", 1 << DISCONNECT},
	TooLarge:              {"packet too large", inEnd},
	RateTooHigh:           {"message rate too high", 1 << DISCONNECT},
	QuotaExceeded:         {"quota exceeded", inAcks | 1<<SUBACK | inEnd},
	Administrative:        {"administrative action", 1 << DISCONNECT},
	BadPayload:            {"payload format invalid", inAcks | inEnd},
	NoRetain:              {"retain not supported", inEnd},
	NoQoS:                 {"QoS not supported", inEnd},
	UseAnother:            {"use another server", inEnd},
	Moved:                 {"server moved", inEnd},
	NoShared:              {"shared subscriptions not supported", 1<<SUBACK | 1<<DISCONNECT},
	ConnectRate:           {"connection rate exceeded", inEnd},
	MaxConnectTime:        {"maximum connect time", 1 << DISCONNECT},
	NoSubIDs:              {"subscription identifiers not supported", 1<<SUBACK | 1<<DISCONNECT},
	NoWildcards:           {"wildcard subscriptions not supported", 1<<SUBACK | 1<<DISCONNECT},
}

// String is what the standard calls the code.
func (r Reason) String() string {
	if n := reasons[r].name; n != "" {
		return n
	}
	return fmt.Sprintf("reason 0x%02x", byte(r))
}

// Failed reports whether the code says that something did not work (4.13).
func (r Reason) Failed() bool { return r >= Unspecified }

// In reports whether a packet of that type may carry the code.
func (r Reason) In(t Type) bool { return reasons[r].in&(1<<t) != 0 }

// Error is why a packet is refused.
type Error struct {
	Reason Reason
	Clause string // of MQTT 5, "2.1.3" or a numbered statement such as "3.1.2-3"
	Msg    string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s [MQTT-%s]", e.Reason, e.Msg, e.Clause)
}

func malformed(clause, msg string) *Error { return &Error{Malformed, clause, msg} }
func protocol(clause, msg string) *Error  { return &Error{ProtocolError, clause, msg} }
