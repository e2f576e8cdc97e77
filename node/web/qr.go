package web

import (
	"net/http"
	"strconv"

	"rsc.io/qr"

	"topicd/codec"
	"topicd/node/web/answer"
)

// maxQR is the text that a code may hold: a phone still reads it from a screen.
const maxQR = 512

// serveQR draws a text as a QR code: GET /api/qr.svg?text=. It knows nothing of
// the hub and asks for no right.
func (s *server) serveQR(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("text")
	if text == "" || len(text) > maxQR {
		answer.Error(w, codec.Errorf(codec.CodeMalformed, "text is 1 to %d bytes", maxQR))
		return
	}
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		answer.Error(w, codec.Errorf(codec.CodeTooLarge, "the text does not fit a QR code: %v", err))
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	_, _ = w.Write(appendSVG(nil, code.Size, code.Black))
}

// appendSVG draws the modules, black on white with the four modules of quiet
// zone that ISO 18004 asks for: one path of horizontal bars.
func appendSVG(b []byte, size int, black func(x, y int) bool) []byte {
	const quiet = 4
	n := strconv.Itoa(size + 2*quiet)
	b = append(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 `+n+` `+n+`" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h`+n+`v`+n+`H0z"/><path d="`...)
	for y := range size {
		for x := 0; x < size; x++ {
			from := x
			for x < size && black(x, y) {
				x++
			}
			if x == from {
				continue
			}
			b = strconv.AppendInt(append(b, 'M'), int64(from+quiet), 10)
			b = strconv.AppendInt(append(b, ' '), int64(y+quiet), 10)
			b = strconv.AppendInt(append(b, 'h'), int64(x-from), 10)
			b = append(b, 'v', '1', 'h')
			b = append(strconv.AppendInt(b, int64(from-x), 10), 'z')
		}
	}
	return append(b, `"/></svg>`...)
}
