package web

import (
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"topicd/codec"
)

// writer is the answer to a request, and how its peer wants it.
type writer struct {
	http.ResponseWriter
	cbor     bool          // Accept prefers application/cbor: what would be JSON goes out as CBOR
	patience time.Duration // for each write of a long answer
	held     int64         // bytes of its body that the hub holds; owned by its handler
}

// newWriter begins an answer: with the headers that all have.
func newWriter(w http.ResponseWriter, r *http.Request) *writer {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept")
	return &writer{ResponseWriter: w, cbor: wantsCBOR(r.Header.Get("Accept"))}
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// encOf is the encoding that the peer wants its answer in.
func encOf(w http.ResponseWriter) codec.Encoding {
	if a, ok := w.(*writer); ok && a.cbor {
		return codec.CBOR
	}
	return codec.JSON
}

const (
	typeJSON = "application/json; charset=utf-8"
	typeCBOR = "application/cbor"
)

func typeOf(enc codec.Encoding) string {
	if enc == codec.CBOR {
		return typeCBOR
	}
	return typeJSON
}

// wantsCBOR: application/cbor is named, with a weight not below that of JSON.
func wantsCBOR(accept string) bool {
	cbor, named := weight(accept, "application/cbor")
	other, _ := weight(accept, "application/json")
	return named && cbor > 0 && cbor >= other
}

// weight is the one that an Accept field gives to a type, by the range that fits
// it best (RFC 9110 section 12.5.1): the type, then application/*, then */*. named
// tells that it was the type itself.
func weight(accept, name string) (q float64, named bool) {
	kind, _, _ := strings.Cut(name, "/")
	best := 0
	for part := range strings.SplitSeq(accept, ",") {
		is, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		fits := 0
		switch is {
		case name:
			fits = 3
		case kind + "/*":
			fits = 2
		case "*/*":
			fits = 1
		}
		if fits == 0 || fits < best {
			continue
		}
		w := 1.0
		if v, ok := params["q"]; ok {
			if w, err = strconv.ParseFloat(v, 64); err != nil || !(w >= 0 && w <= 1) {
				w = 0
			}
		}
		if fits > best {
			q = 0
		}
		q, best = max(q, w), fits
	}
	return q, best == 3
}

// writeJSON answers with v, as CBOR where the peer wants that. A body is never
// empty: some clients parse it whatever the status (facts/mws.md).
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":{"code":500,"msg":"the answer could not be written"}}`)
	}
	writeBody(w, status, b)
}

// writeBody answers with a JSON body.
func writeBody(w http.ResponseWriter, status int, b []byte) {
	enc := encOf(w)
	if enc == codec.CBOR {
		if out, err := codec.Transcode(nil, codec.CBOR, codec.JSON, b); err == nil {
			b = out
		} else {
			enc = codec.JSON
		}
	}
	if enc == codec.JSON {
		b = append(b, '\n')
	}
	w.Header().Set("Content-Type", typeOf(enc))
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// writeError answers with a refusal: its code is the HTTP status.
func writeError(w http.ResponseWriter, e *codec.Error) { writeErrorWith(w, e, nil) }

// writeErrorWith answers with a refusal and what was done before it.
func writeErrorWith(w http.ResponseWriter, e *codec.Error, body map[string]any) {
	if e.Code == codec.CodeUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 6750 section 3
	}
	told := map[string]any{"code": e.Code, "msg": e.Msg}
	if e.Retry > 0 {
		sayRetry(w, e)
		told["retry"] = e.Retry
	}
	if body == nil {
		body = map[string]any{}
	}
	body["error"] = told
	writeJSON(w, e.Code, body)
}

// sayRetry says when to come again in the header that says it.
func sayRetry(w http.ResponseWriter, e *codec.Error) {
	w.Header().Set("Retry-After", strconv.Itoa((e.Retry+999)/1000))
}

// Refuse answers a request that whoever stands before the handler does not let
// through, managed in the form of Managed WebSocket.
func Refuse(w http.ResponseWriter, r *http.Request, e *codec.Error, managed bool) {
	a := newWriter(w, r)
	if managed {
		(&mwsCall{w: a}).refuse(e)
		return
	}
	writeError(a, e)
}

// chunk is how much of a long answer is made before it is sent: its memory is
// bounded, whatever its length.
const chunk = 16 << 10

// list writes an answer of one object whose last member is a list, piece by
// piece. In CBOR the list has an indefinite length (RFC 8949 section 3.2.2).
type list struct {
	w   http.ResponseWriter
	enc codec.Encoding
	b   []byte
	any bool // an item was written
	err error
}

// newList begins the answer: head is the members before the list, n of them,
// as a JSON object; name is the list's.
func newList(w http.ResponseWriter, head []byte, name string) *list {
	l := &list{w: w, enc: encOf(w)}
	w.Header().Set("Content-Type", typeOf(l.enc))
	if l.enc == codec.CBOR {
		l.b, _ = codec.Transcode(l.b, codec.CBOR, codec.JSON, head)
		l.b[0]++ // a map of one member more: there are less than 23
		l.b = append(codec.AppendString(l.b, codec.CBOR, name), 0x9f)
		return l
	}
	l.b = append(l.b, head[:len(head)-1]...)
	if len(head) > 2 {
		l.b = append(l.b, ',')
	}
	l.b = append(codec.AppendString(l.b, codec.JSON, name), ':', '[')
	return l
}

// item appends an item that put writes, and sends what has gathered. false:
// the peer is gone.
func (l *list) item(put func(b []byte) []byte) bool {
	if l.enc == codec.JSON && l.any {
		l.b = append(l.b, ',')
	}
	l.any = true
	l.b = put(l.b)
	if len(l.b) >= chunk {
		l.b, l.err = send(l.w, l.b)
	}
	return l.err == nil
}

// row appends an object given as JSON without its data, and the data behind it
// where there is any: as deep as it may be, that is deeper than a body may be.
func (l *list) row(row, data []byte, dataEnc codec.Encoding) bool {
	return l.item(func(b []byte) []byte {
		if l.enc == codec.CBOR {
			at := len(b)
			b, _ = codec.Transcode(b, codec.CBOR, codec.JSON, row)
			if data == nil {
				return b
			}
			b[at]++ // a map of one member more: there are less than 23
			b, _ = codec.Transcode(codec.AppendString(b, codec.CBOR, "data"), codec.CBOR, dataEnc, data)
			return b
		}
		if data == nil {
			return append(b, row...)
		}
		b = append(append(b, row[:len(row)-1]...), `,"data":`...)
		b, _ = codec.Transcode(b, codec.JSON, dataEnc, data)
		return append(b, '}')
	})
}

// end completes the answer.
func (l *list) end() {
	if l.err != nil {
		return
	}
	if l.enc == codec.CBOR {
		l.b = append(l.b, 0xff)
	} else {
		l.b = append(l.b, "]}\n"...)
	}
	_, _ = l.w.Write(l.b)
}

// send writes a piece of a long answer and gives the buffer back. A peer that
// does not take it in time is gone.
func send(w http.ResponseWriter, b []byte) ([]byte, error) {
	patience := writeTime
	if a, ok := w.(*writer); ok {
		patience = a.patience
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience))
	_, err := w.Write(b)
	return b[:0], err
}
