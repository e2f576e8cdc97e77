package mqtt

import (
	"topicd/codec"
	"topicd/node/dialect/mqtt/packet"
)

// reasons are MQTT 5's words for the codes of errors, the best first: which of
// them a packet may carry differs (packet.Reason.In).
var reasons = map[int][]packet.Reason{
	codec.CodeMalformed:    {packet.BadTopic, packet.BadFilter, packet.Malformed},
	codec.CodeUnauthorized: {packet.BadCredentials, packet.NotAuthorized},
	codec.CodeForbidden:    {packet.NotAuthorized},
	codec.CodeNotFound:     {packet.NoSubscription, packet.ImplementationError},
	codec.CodeConflict:     {packet.BadClientID, packet.ImplementationError},
	codec.CodeTooLarge:     {packet.TooLarge, packet.QuotaExceeded, packet.ImplementationError},
	codec.CodeTooFast:      {packet.RateTooHigh, packet.ConnectRate, packet.QuotaExceeded, packet.ImplementationError},
	codec.CodeGoingAway:    {packet.ShuttingDown, packet.Unavailable, packet.ImplementationError},
	codec.CodeNoRoom:       {packet.QuotaExceeded, packet.ImplementationError},
}

// reasonOf is the reason code for an error in a packet of type t.
func reasonOf(e *codec.Error, t packet.Type) packet.Reason {
	for _, r := range reasons[e.Code] {
		if r.In(t) {
			return r
		}
	}
	return packet.Unspecified
}

// Return codes of CONNACK before MQTT 5 (3.1.1: 3.2.2.3).
const (
	refusedVersion     = 1
	refusedID          = 2
	refusedServer      = 3
	refusedCredentials = 4
	refusedRights      = 5
)

// returnCode is the code of a CONNACK before MQTT 5.
func returnCode(r packet.Reason) byte {
	switch r {
	case packet.Success:
		return 0
	case packet.UnsupportedVersion:
		return refusedVersion
	case packet.BadClientID:
		return refusedID
	case packet.BadCredentials:
		return refusedCredentials
	case packet.NotAuthorized, packet.Banned:
		return refusedRights
	}
	return refusedServer
}

// subCode is the code of a SUBACK: before MQTT 5 there is one for all that fails.
func subCode(r packet.Reason, v packet.Version) byte {
	if v != packet.V5 && r.Failed() {
		return 0x80
	}
	return byte(r)
}
