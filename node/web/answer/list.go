package answer

import (
	"net/http"
	"time"

	"topicd/codec"
)

// Chunk is how much of a long answer is made before it is sent: its memory is
// bounded, whatever its length.
const Chunk = 16 << 10

// List writes an answer of one object whose last member is a list, piece by
// piece. In CBOR the list has an indefinite length (RFC 8949 section 3.2.2).
type List struct {
	w   http.ResponseWriter
	enc codec.Encoding
	b   []byte
	any bool // an item was written
	err error
}

// NewList begins the answer: head is the members before the list, n of them,
// as a JSON object; name is the list's.
func NewList(w http.ResponseWriter, head []byte, name string) *List {
	l := &List{w: w, enc: encOf(w)}
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

// Item appends an item that put writes, and sends what has gathered. false:
// the peer is gone.
func (l *List) Item(put func(b []byte) []byte) bool {
	if l.enc == codec.JSON && l.any {
		l.b = append(l.b, ',')
	}
	l.any = true
	l.b = put(l.b)
	if len(l.b) >= Chunk {
		l.b, l.err = Send(l.w, l.b)
	}
	return l.err == nil
}

// Row appends an object given as JSON without its data, and the data behind it
// where there is any: as deep as it may be, that is deeper than a body may be.
func (l *List) Row(row, data []byte, dataEnc codec.Encoding) bool {
	return l.Item(func(b []byte) []byte {
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

// End completes the answer.
func (l *List) End() {
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

// Send writes a piece of a long answer and gives the buffer back. A peer that
// does not take it in time is gone.
func Send(w http.ResponseWriter, b []byte) ([]byte, error) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(Of(w).desk.Patience))
	_, err := w.Write(b)
	return b[:0], err
}
