// Package answer is how the hub answers over HTTP: objects and lists as JSON or
// CBOR, as the peer prefers, refusals that a program can read, and small bodies
// read within bounds. node/web and the dialects that have a part of HTTP use it.
package answer

import (
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/bound"
)

// Desk is what the requests of a server share.
type Desk struct {
	Hub      *node.Hub
	Patience time.Duration // for each write of a long answer; tests have less than WriteTime
	Bodies   bound.Bytes   // on their way
}

// NewDesk makes the desk of a hub's server. Who sends bodies slowly could have the
// hub hold one of the largest for each connection; small ones always go.
func NewDesk(h *node.Hub) *Desk {
	most := max(4<<20, int64(h.Options().MaxBody)+Slack)
	return &Desk{Hub: h, Patience: WriteTime, Bodies: bound.Bytes{Most: most, Few: FewHeld}}
}

const (
	BodyTime  = 30 * time.Second // for a request's body to arrive
	WriteTime = 30 * time.Second // for a write to be taken, as for a WebSocket that reads nothing
)

// Writer is the answer to a request, and how its peer wants it.
type Writer struct {
	http.ResponseWriter
	desk *Desk // nil: the request goes no further
	cbor bool  // Accept prefers application/cbor: what would be JSON goes out as CBOR
	held int   // bytes of its body that the hub holds; owned by its handler
}

// New begins an answer, with the headers that all have. Without a desk no body
// can be read.
func New(w http.ResponseWriter, r *http.Request, desk *Desk) *Writer {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept")
	return &Writer{ResponseWriter: w, desk: desk, cbor: wantsCBOR(r.Header.Get("Accept"))}
}

// Done gives back what the request's body has held. Called when the request is over.
func (w *Writer) Done() { w.desk.Bodies.Give(w.held) }

// Unwrap is for http.ResponseController.
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Of is the answer that w is, which New began.
func Of(w http.ResponseWriter) *Writer {
	for {
		switch a := w.(type) {
		case *Writer:
			return a
		case interface{ Unwrap() http.ResponseWriter }:
			w = a.Unwrap()
		default:
			panic("answer: a request that came by without New")
		}
	}
}

// encOf is the encoding that the peer wants its answer in.
func encOf(w http.ResponseWriter) codec.Encoding {
	if Of(w).cbor {
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
	cbor, named := Weight(accept, "application/cbor")
	other, _ := Weight(accept, "application/json")
	return named && cbor > 0 && cbor >= other
}

// Weight is the one that an Accept field gives to a type, by the range that fits
// it best (RFC 9110 section 12.5.1): the type, then application/*, then */*. named
// tells that it was the type itself.
func Weight(accept, name string) (q float64, named bool) {
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

// JSON answers with v, as CBOR where the peer wants that. A body is never
// empty: some clients parse it whatever the status.
func JSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":{"code":500,"msg":"the answer could not be written"}}`)
	}
	Raw(w, status, b)
}

// Raw answers with a JSON body.
func Raw(w http.ResponseWriter, status int, b []byte) {
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

// Error answers with a refusal: its code is the HTTP status.
func Error(w http.ResponseWriter, e *codec.Error) { ErrorWith(w, e, nil) }

// ErrorWith answers with a refusal and what was done before it.
func ErrorWith(w http.ResponseWriter, e *codec.Error, body map[string]any) {
	if e.Code == codec.CodeUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 6750 section 3
	}
	told := map[string]any{"code": e.Code, "msg": e.Msg}
	if e.Retry > 0 {
		Retry(w, e)
		told["retry"] = e.Retry
	}
	if body == nil {
		body = map[string]any{}
	}
	body["error"] = told
	JSON(w, e.Code, body)
}

// Retry says when to come again in the header that says it.
func Retry(w http.ResponseWriter, e *codec.Error) {
	w.Header().Set("Retry-After", strconv.Itoa((e.Retry+999)/1000))
}
