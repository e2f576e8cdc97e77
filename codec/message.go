package codec

import (
	"errors"
	"fmt"
)

// Encoding says how a frame or a body is written.
type Encoding uint8

// A text frame is JSON (RFC 8259), a binary frame is CBOR (RFC 8949).
const (
	JSON Encoding = iota
	CBOR
)

// String returns "json" or "cbor", the words of opts.enc.
func (e Encoding) String() string {
	if e == CBOR {
		return "cbor"
	}
	return "json"
}

// Op is the verb of a message: its CBOR code.
type Op uint8

// The verbs of protocol version 1. A code is never reused.
const (
	OpHello   Op = 0
	OpWelcome Op = 1
	OpPub     Op = 2
	OpMsg     Op = 3
	OpSub     Op = 4
	OpUnsub   Op = 5
	OpOK      Op = 6
	OpErr     Op = 7
	OpPing    Op = 8
	OpPong    Op = 9
	OpGet     Op = 10
	OpList    Op = 11
	OpLive    Op = 13
	OpBye     Op = 14
	OpMake    Op = 15
	OpDelete  Op = 16
)

// Key is an envelope key: its CBOR integer.
type Key uint8

// The envelope keys of protocol version 1. An integer is never reused.
const (
	KeyOp    Key = 0
	KeyID    Key = 1
	KeyTopic Key = 2
	KeyData  Key = 3
	KeyTS    Key = 4
	KeySeq   Key = 5
	KeyAck   Key = 6
	KeyErr   Key = 7
	KeyOpts  Key = 8
	KeyFrom  Key = 9
	KeyEp    Key = 10
	KeyDrop  Key = 11
)

// Fields is the set of keys that a message carries.
type Fields uint16

// Has reports whether k is in the set.
func (f Fields) Has(k Key) bool { return f&(1<<k) != 0 }

// With returns the set with k added.
func (f Fields) With(k Key) Fields { return f | 1<<k }

// Message is one object of the native grammar, decoded or to be encoded.
//
// A decoded message owns nothing: its slices lie in the frame (or, where JSON
// had escapes, in the Decoder's scratch) and end with the next call on the
// Decoder or the next use of the frame's buffer.
type Message struct {
	Has   Fields   // which of the fields below are set
	Enc   Encoding // of Data and Opts
	Op    Op
	ID    uint64
	Topic []byte // name or pattern, decoded; empty when Alias was given
	Alias uint64 // topic alias; IsAlias tells it from "no topic"
	// IsAlias is true when the topic is a number that the hub handed out.
	IsAlias bool
	Data    []byte // one complete, validated body
	Opts    []byte // one complete, validated map; see ParseOpts
	TS      int64  // milliseconds since 1970
	Seq     uint64
	Ack     uint64
	Ep      uint64
	Drop    uint64
	From    []byte
	Err     Error

	// UnknownOp tells that the op is one that this version does not know: refused,
	// but not nonsense.
	UnknownOp bool
}

// Error is what a peer is told: a code with a stable meaning (an HTTP number),
// one plain sentence, and when trying again makes sense.
type Error struct {
	Code  int
	Msg   string
	Retry int // milliseconds, 0 = do not retry the same thing
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s", e.Code, e.Msg) }

// Errorf makes an Error with a code and a sentence.
func Errorf(code int, format string, a ...any) *Error {
	return &Error{Code: code, Msg: fmt.Sprintf(format, a...)}
}

// AsError is err where it is one for a peer; any other means that what the peer
// said is malformed.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeMalformed, Msg: err.Error()}
}

// The codes of protocol version 1.
const (
	CodeMalformed    = 400
	CodeUnauthorized = 401
	CodeForbidden    = 403
	CodeNotFound     = 404
	CodeConflict     = 409
	CodeTooLarge     = 413
	CodeTooFast      = 429
	CodeGoingAway    = 503
	CodeNoRoom       = 507
)

// Codes lists every code; adapters' tables are tested to know them all.
var Codes = [...]int{CodeMalformed, CodeUnauthorized, CodeForbidden, CodeNotFound, CodeConflict, CodeTooLarge, CodeTooFast, CodeGoingAway, CodeNoRoom}

// Opts are the options of a request. Has tells which were given, by the Opt
// bits; a field that was not given is zero (From: see NotOwn).
type Opts struct {
	Has     OptSet
	Dev     string
	Token   string
	Name    string
	Last    int64   // stored readings per topic first
	Since   int64   // a seq, or negative seconds
	Ep      uint64  // the epoch that Since's seq belongs to
	Rate    float64 // readings per second and topic
	Pace    int64   // milliseconds between writes while busy
	Latest  bool
	NotOwn  bool     // from:false
	Enc     Encoding // valid when Has has OptEnc
	What    string
	Match   string
	Static  bool
	Cap     int64 // bytes
	Durable bool
	Stale   int64 // seconds
	Split   bool
	More    bool
	Forget  bool  // with unsub: the durable subscription ends
	Step    int64 // milliseconds of a bucket that a get answers

	Writable bool    // a set-point: who reads it may be offered to set it
	Min, Max float64 // between which

	After int64 // a time of the hub's own clock in epoch Ep, where a subscription goes on
}

// OptSet is a set of option names.
type OptSet uint32

// One bit per option.
const (
	OptDev OptSet = 1 << iota
	OptToken
	OptName
	OptLast
	OptSince
	OptEp
	OptRate
	OptPace
	OptLatest
	OptFrom
	OptEnc
	OptWhat
	OptMatch
	OptStatic
	OptCap
	OptDurable
	OptStale
	OptSplit
	OptMore
	OptForget
	OptAfter
	OptStep
	OptWritable
	OptMin
	OptMax
)
