package codec

import (
	"fmt"
	"sync"
	"unicode/utf8"
)

// walker goes once over a body (or a frame) and checks it.
//
// It knows two kinds of fault. A broken grammar is fatal: nothing behind it can
// be read, methods return -1. A wrong meaning (a duplicate key, NaN, bad UTF-8)
// is noted and the walk goes on, because an id that stands behind it still has
// to be found for the answer.
type walker struct {
	src     []byte
	limit   int    // nesting that is allowed; more is noted
	tags    int    // tags around the value that is being read
	ignore  bool   // the value is thrown away: it need only be well-formed
	deepest int    // nesting that was met
	fatal   *Error // the grammar is broken
	noted   *Error // the first wrong meaning
	keys    keySet
	text    []byte   // decoded strings that had escapes
	marking bool     // fill marks
	marks   []uint32 // for the transcoder, one per container, in order of appearance
}

// pool serves the package's functions; a Decoder has its own walker.
var pool = sync.Pool{New: func() any { return new(walker) }}

func getWalker(src []byte) *walker {
	w := pool.Get().(*walker)
	w.reset(src)
	return w
}

// putWalker gives w back.
func putWalker(w *walker) {
	w.reset(nil)
	pool.Put(w)
}

// keepScratch is how many bytes of each scratch outlive a body. A rare huge one
// must not stay with every session's Decoder.
const keepScratch = 16 << 10

func (w *walker) reset(src []byte) {
	w.src = src
	w.limit = MaxDepth
	w.tags = 0
	w.ignore = false
	w.deepest = 0
	w.fatal = nil
	w.noted = nil
	w.keys.reset()
	w.text = w.text[:0]
	w.marking = false
	w.marks = w.marks[:0]
	if cap(w.text) > keepScratch {
		w.text = nil
	}
	if cap(w.marks) > keepScratch/4 {
		w.marks = nil
	}
}

// fail notes a broken grammar at byte i and returns -1.
func (w *walker) fail(i int, format string, a ...any) int {
	if w.fatal == nil {
		w.fatal = Errorf(CodeMalformed, "%s at byte %d", fmt.Sprintf(format, a...), i)
	}
	return -1
}

// cut is fail for an input that ends too early.
func (w *walker) cut() int {
	return w.fail(len(w.src), "cut short: the end was reached inside a value")
}

// note keeps the first wrong meaning.
func (w *walker) note(code int, format string, a ...any) {
	if w.noted == nil && !w.ignore {
		w.noted = Errorf(code, format, a...)
	}
}

// bad notes a broken value whose end can still be seen, at byte i: the walk goes
// on behind it, and an id that stands there is found. It is refused wherever it
// stands.
func (w *walker) bad(i int, format string, a ...any) {
	if w.noted == nil {
		w.noted = Errorf(CodeMalformed, "%s at byte %d", fmt.Sprintf(format, a...), i)
	}
}

// err returns what was found, the broken grammar first.
func (w *walker) err() *Error {
	if w.fatal != nil {
		return w.fatal
	}
	return w.noted
}

// enter is called for every array and map, with its own depth (1 = outermost).
func (w *walker) enter(i, depth int) bool {
	if depth > w.deepest {
		w.deepest = depth
		if depth > w.limit {
			return w.tooDeep(i, depth)
		}
	}
	return true
}

func (w *walker) tooDeep(i, depth int) bool {
	if depth > hardDepth {
		w.fail(i, "nested far deeper than %d", MaxDepth)
		return false
	}
	w.note(CodeMalformed, "nested deeper than %d at byte %d", MaxDepth, i)
	return true
}

// ignored walks over a value that is thrown away, such as that of a key that
// this version does not know. It need only be well-formed (RFC 8949 section
// 5.3.1 and appendix C, RFC 8259).
func (w *walker) ignored(enc Encoding, i int) int {
	was, deepest := w.ignore, w.deepest
	w.ignore = true
	i = w.value(enc, i, 0)
	w.ignore, w.deepest = was, deepest
	return i
}

// value walks over one value of either encoding.
func (w *walker) value(enc Encoding, i, depth int) int {
	if enc == CBOR {
		return w.cborValue(i, depth)
	}
	return w.jsonValue(w.space(i), depth)
}

// body walks over src, which must be one value and nothing behind it.
func (w *walker) body(enc Encoding) *Error {
	if len(w.src) > maxInput {
		return Errorf(CodeTooLarge, "a body of %d bytes is too large", len(w.src))
	}
	i := w.value(enc, 0, 0)
	if i >= 0 && enc == JSON {
		i = w.space(i)
	}
	if i >= 0 && i < len(w.src) {
		w.fail(i, "something stands behind the value")
	}
	w.wrongEncoding(enc)
	return w.err()
}

// wrongEncoding says so where a broken input is plainly of the other encoding:
// the most usual slip is a library that sends text in binary frames.
func (w *walker) wrongEncoding(enc Encoding) {
	src := Strip(JSON, w.src)
	switch {
	case w.fatal == nil || len(src) == 0:
	case enc == CBOR && (src[0] == '{' || src[0] == '[') && (len(src) == 1 || src[1] != 0):
		w.fatal = errLooksJSON
	case enc == JSON && src[0] >= majArray<<5 && src[0] < majSimple<<5 && !utf8.Valid(src):
		w.fatal = errLooksCBOR
	}
}

var (
	errLooksJSON = &Error{Code: CodeMalformed, Msg: "this looks like JSON, not CBOR: send it in a text frame, or as application/json"}
	errLooksCBOR = &Error{Code: CodeMalformed, Msg: "this looks like CBOR, not JSON: send it in a binary frame, or as application/cbor"}
)

// mark reserves the next entry of marks.
func (w *walker) mark() int {
	if w.marking {
		w.marks = append(w.marks, 0)
	}
	return len(w.marks) - 1
}

// Validate checks that data is one complete body and nothing behind it: grammar,
// UTF-8, duplicate keys, nesting (MaxDepth), members (MaxPairs), finite numbers
// and, in CBOR, the tags that are allowed. The error is an *Error with code 400
// or 413.
func Validate(enc Encoding, data []byte) error {
	w := getWalker(data)
	defer putWalker(w)
	if e := w.body(enc); e != nil {
		return e
	}
	return nil
}
