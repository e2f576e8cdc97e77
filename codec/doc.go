// Package codec turns frames into Messages and Messages into frames: one
// grammar in two encodings, JSON (RFC 8259) in text frames and CBOR (RFC 8949)
// in binary ones. It knows what a frame says, not what it does: pure functions,
// without a clock, a socket or a goroutine.
//
// # The idea
//
// A body (`data`, `opts`) is never turned into Go values. A walker goes over its
// bytes once and checks everything that anybody behind us would stumble over;
// from then on the body is a slice that is handed on untouched to whoever speaks
// the same encoding and transcoded for who does not. So a pub costs one walk
// and no allocation, and a body that passed in one encoding has a form in the
// other.
//
//	frame ── Decoder ──► Message{Topic, Data …}   slices of the frame
//	body  ── Validate ─► fine, or *Error
//	body  ── Transcode ► the same value in the other encoding
//	body  ── Reading, Records, Split ► SenML (RFC 8428)
//	Message ── Append, AppendMsg, AppendErr ► frame
//
// # Rules, the same on every path and in both encodings
//
//   - Text is UTF-8; a JSON escape that is half a surrogate pair is refused.
//   - No key stands twice in a map. Keys are compared decoded ("a" and "\u0061"
//     are one key) and CBOR integers by the text that they become in JSON (1 and
//     "1" are one key), so transcoding never makes a duplicate.
//   - Numbers are finite: NaN, infinities and 1e999 are refused.
//   - CBOR integers and floats may be longer than need be. Maps and arrays may
//     have an indefinite length, for TinyCBOR and the Arduino libraries built
//     on it send nothing else; strings may not, for a Message points at them in
//     one piece.
//   - CBOR tags: 0 and 1 (times), 2 to 5 (numbers that a float64 can hold) and
//     the typed arrays of RFC 8746 up to 64 bits mean something, and their content
//     is checked. Those that add nothing are passed over (isPlain). All others are
//     refused. Of the simple values there are false, true and null.
//   - A whole number goes by its value: 5, 5.0 and 5e0 are one, in both encodings.
//   - A key of the envelope or of opts whose value is null, or undefined in CBOR,
//     is as if it had been left out; data may be null.
//   - What is thrown away, such as the value of a key that this version does not
//     know, need only be well-formed.
//   - CBOR map keys are texts and integers.
//
// # Limits, and why
//
// MaxDepth (16): enough for any reading, little enough for a parser on a
// microcontroller that recurses. A typed array counts as an array. `data` of an
// `ok` may have two more, because a page of stored readings wraps bodies in an
// array of maps. MaxPairs (1024): a map's keys fit a small hash table with a
// random seed, so a frame is checked in linear time whatever is in it.
// MaxRecords (1024): with opts.split each record becomes a reading. MaxUint
// (2^53-1): what JavaScript can count. The size of a frame is the transport's to
// bound.
//
// # Errors
//
// Every refusal is an *Error with code 400 or 413 and a sentence that names the
// field and, where the grammar is broken, the byte. Neither a wrong meaning nor a
// broken value whose end can be seen (NaN, a line break in a string) stops the
// walk: the id of the request is found even behind it.
package codec
