package codec

import "strconv"

// opNames is indexed by code; an empty name is a code that was never given.
var opNames = [...]string{
	OpHello: "hello", OpWelcome: "welcome", OpPub: "pub", OpMsg: "msg", OpSub: "sub", OpUnsub: "unsub",
	OpOK: "ok", OpErr: "err", OpPing: "ping", OpPong: "pong", OpGet: "get", OpList: "list",
	OpLive: "live", OpBye: "bye", OpMake: "make", OpDelete: "delete",
}

// String returns the verb's name as JSON frames write it, or its number when
// protocol version 1 does not know it.
func (o Op) String() string {
	if int(o) < len(opNames) && opNames[o] != "" {
		return opNames[o]
	}
	return "op " + strconv.Itoa(int(o))
}

// opByName finds a verb by its JSON name.
func opByName(b []byte) (Op, bool) {
	switch string(b) {
	case "pub":
		return OpPub, true
	case "msg":
		return OpMsg, true
	case "ok":
		return OpOK, true
	case "sub":
		return OpSub, true
	case "ping":
		return OpPing, true
	case "pong":
		return OpPong, true
	}
	for code, name := range opNames {
		if name != "" && name == string(b) {
			return Op(code), true
		}
	}
	return 0, false
}

// opByCode finds a verb by its CBOR code.
func opByCode(code uint64) (Op, bool) {
	if code < uint64(len(opNames)) && opNames[code] != "" {
		return Op(code), true
	}
	return 0, false
}

// keyNames is indexed by Key; keyUnknown has no name.
var keyNames = [...]string{
	KeyOp: "op", KeyID: "id", KeyTopic: "topic", KeyData: "data", KeyTS: "ts", KeySeq: "seq",
	KeyAck: "ack", KeyErr: "err", KeyOpts: "opts", KeyFrom: "from", KeyEp: "ep", KeyDrop: "drop",
}

// keyUnknown stands for a key of a later protocol version: its value is
// checked and ignored.
const keyUnknown Key = 255

// String returns the key's name as JSON frames write it.
func (k Key) String() string {
	if int(k) < len(keyNames) {
		return keyNames[k]
	}
	return "key " + strconv.Itoa(int(k))
}

// keyByName finds an envelope key by its JSON name.
func keyByName(b []byte) Key {
	switch string(b) {
	case "op":
		return KeyOp
	case "id":
		return KeyID
	case "topic":
		return KeyTopic
	case "data":
		return KeyData
	case "ts":
		return KeyTS
	case "seq":
		return KeySeq
	case "ack":
		return KeyAck
	case "err":
		return KeyErr
	case "opts":
		return KeyOpts
	case "from":
		return KeyFrom
	case "ep":
		return KeyEp
	case "drop":
		return KeyDrop
	}
	return keyUnknown
}
