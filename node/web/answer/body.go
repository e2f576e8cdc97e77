package answer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"

	"topicd/codec"
	"topicd/node"
)

// Kind is what a request's body is.
type Kind int

const (
	Guess Kind = iota // nobody said, or curl -d did
	AsJSON
	AsCBOR
	SenMLJSON
	SenMLCBOR
	Text
	Lines
)

// Enc is the encoding of a body of that kind.
func (k Kind) Enc() codec.Encoding {
	if k == AsCBOR || k == SenMLCBOR {
		return codec.CBOR
	}
	return codec.JSON
}

// Plainly refuses a body that is coded, compressed say: it is not what its
// Content-Type says until somebody undoes it (RFC 9110 sections 8.4 and 15.5.16).
func Plainly(w http.ResponseWriter, r *http.Request) *codec.Error {
	for _, codings := range r.Header.Values("Content-Encoding") {
		for c := range strings.SplitSeq(codings, ",") {
			if c = strings.TrimSpace(c); c != "" && !strings.EqualFold(c, "identity") {
				w.Header().Set("Accept-Encoding", "identity")
				return codec.Errorf(http.StatusUnsupportedMediaType, "Content-Encoding: %.40s: send the body as it is", c)
			}
		}
	}
	return nil
}

// KindOf reads the Content-Type, and that there is nothing around it.
func KindOf(w http.ResponseWriter, r *http.Request) (Kind, *codec.Error) {
	if err := Plainly(w, r); err != nil {
		return 0, err
	}
	ct := r.Header.Get("Content-Type")
	if ct == "" {
		return Guess, nil
	}
	name, params, err := mime.ParseMediaType(ct)
	if err != nil {
		return 0, codec.Errorf(http.StatusUnsupportedMediaType, "Content-Type cannot be read: %v", err)
	}
	if c := strings.ToLower(params["charset"]); c != "" && c != "utf-8" && c != "us-ascii" {
		return 0, codec.Errorf(http.StatusUnsupportedMediaType, "charset %q: text is UTF-8 here", c)
	}
	switch name {
	case "application/json":
		return AsJSON, nil
	case "application/cbor":
		return AsCBOR, nil
	case "application/senml+json", "application/sensml+json":
		return SenMLJSON, nil
	case "application/senml+cbor", "application/sensml+cbor":
		return SenMLCBOR, nil
	case "text/plain":
		return Text, nil
	case "application/x-ndjson", "application/jsonl", "application/ndjson":
		return Lines, nil
	case "application/x-www-form-urlencoded", "application/octet-stream": // curl -d, and aiohttp, say that of whatever they send
		return Guess, nil
	}
	return 0, codec.Errorf(http.StatusUnsupportedMediaType, "%s: send application/json, application/cbor, application/senml+json, application/senml+cbor, text/plain or application/x-ndjson", name)
}

// ReadBody reads a body of one reading, without what may stand around it.
func (w *Writer) ReadBody(r *http.Request, k Kind) ([]byte, *codec.Error) {
	hub := w.desk.Hub
	limit := int64(hub.Options().MaxBody)
	if r.ContentLength > limit {
		hub.Stats.Add(node.RefusedLarge, 1)
		return nil, codec.Errorf(codec.CodeTooLarge, "the body has %d bytes, this hub takes %d", r.ContentLength, limit)
	}
	size := r.ContentLength
	if size < 0 {
		size = limit
	}
	if err := w.Hold(size); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		return codec.Strip(k.Enc(), data), nil
	}
	bad := ReadError(err)
	if bad.Code == codec.CodeTooLarge {
		hub.Stats.Add(node.RefusedLarge, 1)
	}
	return nil, bad
}

const (
	// FewHeld bytes of a body are always taken.
	FewHeld = 4 << 10
	// Slack is what a body may have beside a reading of the largest size.
	Slack = 64 << 10
)

// Hold counts n bytes of a body to the end of the request, and refuses them
// where all requests together hold too many.
func (w *Writer) Hold(n int64) *codec.Error {
	if !w.desk.Bodies.Take(int(n)) {
		w.desk.Hub.Stats.Add(node.RefusedRoom, 1)
		return errHeld
	}
	w.held += int(n)
	return nil
}

var errHeld = &codec.Error{Code: codec.CodeGoingAway, Msg: "too many large bodies are on their way", Retry: 1000}

// ReadError is what a body that cannot be read to its end is answered with.
func ReadError(err error) *codec.Error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return codec.Errorf(codec.CodeTooLarge, "the body has more than %d bytes", large.Limit)
	case IsTimeout(err):
		return codec.Errorf(http.StatusRequestTimeout, "the body did not come within %v", BodyTime)
	}
	return codec.Errorf(codec.CodeMalformed, "the body ended early")
}

// ReadObject reads the body of a request that configures something, as JSON or
// CBOR. It may be empty.
func (w *Writer) ReadObject(r *http.Request) (codec.Encoding, []byte, *codec.Error) {
	k, err := KindOf(w, r)
	if err != nil {
		return 0, nil, err
	}
	if k != Guess && k != AsJSON && k != AsCBOR {
		return 0, nil, codec.Errorf(http.StatusUnsupportedMediaType, "send application/json or application/cbor")
	}
	data, err := w.ReadBody(r, k)
	return k.Enc(), data, err
}

// Decode reads such a body into v, which has a field for each that is known.
func Decode(w http.ResponseWriter, r *http.Request, v any) *codec.Error {
	a := Of(w)
	enc, data, err := a.ReadObject(r)
	if err != nil {
		return err
	}
	data, bad := codec.Transcode(nil, codec.JSON, enc, data) // checks it too
	if bad != nil {
		err = codec.AsError(bad)
	} else {
		err = Strictly(data, v)
	}
	if err != nil {
		a.desk.Hub.Stats.Add(node.RefusedMalformed, 1)
	}
	return err
}

// Strictly decodes JSON that has the fields of v and no others: who misspells
// expires must not get a token for ever.
func Strictly(data []byte, v any) *codec.Error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if wrong, ok := err.(*json.UnmarshalTypeError); ok {
		return codec.Errorf(codec.CodeMalformed, "%s cannot hold a value of type %s", cmp.Or(strings.ToLower(wrong.Field), "the body"), wrong.Value)
	}
	if err != nil {
		return codec.Errorf(codec.CodeMalformed, "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// IsTimeout tells an error of a peer that took too long.
func IsTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
