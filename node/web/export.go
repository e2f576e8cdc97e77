package web

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/web/answer"
)

// serveExport sends stored readings as a file, topic by topic, oldest first:
// GET /api/export?topic=PATTERN&since=&last=&step=&format=ndjson|csv&sep=&decimal=&bom=.
// All that is stored unless since or last say less.
func (s *server) serveExport(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		q, err := parseQuery(r.URL.Query())
		if err != nil {
			return err
		}
		if len(q.topics) == 0 {
			return codec.Errorf(codec.CodeMalformed, "topic is missing: /api/export?topic=greenhouse/%%23")
		}
		form, err := parseSheet(r)
		if err != nil {
			return err
		}
		ts, err := s.found(sess, q.topics)
		if err != nil {
			return err
		}
		kind, row := "ndjson", exportLine
		w.Header().Set("Content-Type", "application/x-ndjson")
		if form != nil {
			kind, row = "csv", form.row
			w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
		}
		name := "topicd-" + time.UnixMilli(s.Hub.Wall()).UTC().Format("20060102-150405") + "." + kind
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		var b []byte
		if form != nil {
			b = form.head(q.Has&codec.OptStep != 0)
		}
		if q.Has&codec.OptStep != 0 {
			return s.exportSteps(w, r, b, sess, ts, &q, form)
		}
		s.export(w, b, sess, ts, &q, row)
		return nil
	})
}

// sheet is how a CSV file is written.
type sheet struct {
	sep     byte // between cells
	decimal byte // in value
	bom     bool // a byte order mark first: Excel takes the file for Windows-1252 without
}

// parseSheet is how the request wants CSV; nil: it wants NDJSON.
func parseSheet(r *http.Request) (*sheet, *codec.Error) {
	v := r.URL.Query()
	switch format := v.Get("format"); format {
	case "csv":
	case "ndjson":
		return nil, nil
	case "":
		accept := r.Header.Get("Accept")
		csv, named := answer.Weight(accept, "text/csv")
		if other, _ := answer.Weight(accept, "application/x-ndjson"); !named || csv == 0 || csv < other {
			return nil, nil
		}
	default:
		return nil, codec.Errorf(codec.CodeMalformed, "format=%s: that is ndjson or csv", format)
	}
	f := sheet{sep: ',', decimal: '.'}
	switch sep := v.Get("sep"); sep {
	case "":
	case ",", ";", "\t":
		f.sep = sep[0]
	case "tab":
		f.sep = '\t'
	default:
		return nil, codec.Errorf(codec.CodeMalformed, "sep=%s: that is a comma, a semicolon (%%3B) or tab", sep)
	}
	switch decimal := v.Get("decimal"); decimal {
	case "":
	case ".", ",":
		f.decimal = decimal[0]
	default:
		return nil, codec.Errorf(codec.CodeMalformed, "decimal=%s: that is a point or a comma", decimal)
	}
	bom, err := flag(v, "bom")
	f.bom = bom
	return &f, err
}

// export writes the readings of the topics piece by piece. Who reads slowly can
// take hours: the rights may have ended meanwhile.
func (s *server) export(w http.ResponseWriter, b []byte, sess *node.Session, ts []*node.Topic, q *query, row func([]byte, *node.Reading) []byte) {
	var raw []byte
	var err error
	now := s.Hub.Mono()
	all := *q
	if q.Has&(codec.OptLast|codec.OptSince) == 0 {
		all.Has |= codec.OptSince // since 0: all of them
	}
	for _, t := range ts {
		if !sess.MayRead(t.Name()) {
			break
		}
		from, to, _ := s.span(t, &all, q.Ep, now)
		s.Hub.Read(t, from, to, &raw, func(g *node.Reading) bool {
			if b = row(b, g); len(b) >= answer.Chunk {
				b, err = answer.Send(w, b)
			}
			return err == nil
		})
		if err != nil {
			return
		}
	}
	_, _ = w.Write(b)
}

func exportLine(b []byte, g *node.Reading) []byte { return append(appendRow(b, g), '\n') }

// head is the first line. Times are UTC. value and unit are there for what the
// hub understands: numbers, texts, true and false, also SenML's. data is the reading
// as JSON, but for a bare number or boolean, which value says already.
func (f *sheet) head(steps bool) (b []byte) {
	line := "time,ts,topic,seq,value,unit,from,data\r\n"
	if steps {
		line = "time,ts,topic,field,min,mean,max,count\r\n"
	}
	if f.bom {
		b = append(b, "\xef\xbb\xbf"...)
	}
	return append(b, strings.ReplaceAll(line, ",", string(rune(f.sep)))...)
}

// row is a line as RFC 4180 has it.
func (f *sheet) row(b []byte, g *node.Reading) []byte {
	b = time.UnixMilli(g.TS).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = strconv.AppendInt(append(b, f.sep), g.TS, 10)
	b = f.cell(append(b, f.sep), g.Topic)
	b = strconv.AppendUint(append(b, f.sep), g.Seq, 10)
	b = append(b, f.sep)
	value, unit, understood := codec.Reading(g.Enc(), g.Data)
	text := codec.AppendLine(nil, g.Enc(), g.Data)
	c := text[0]
	bare := understood && (c == '-' || c-'0' < 10) || c == 't' || c == 'f'
	switch {
	case bare:
		b = f.number(b, string(text)) // all its digits
	case understood:
		b = f.number(b, strconv.FormatFloat(value, 'g', -1, 64))
	case c == '"':
		var s string
		_ = json.Unmarshal(text, &s)
		b = f.cell(b, s)
	default:
		b = f.other(b, g)
	}
	b = f.cell(append(b, f.sep), unit)
	b = f.cell(append(b, f.sep), string(g.From))
	b = append(b, f.sep)
	if !bare {
		b = f.quoted(b, string(text))
	}
	return append(b, "\r\n"...)
}

// other appends the value of a SenML record that is no number: its text, or true
// or false.
func (f *sheet) other(b []byte, g *node.Reading) []byte {
	recs, err := codec.Records(g.Enc(), g.Data, g.TS)
	switch {
	case err != nil || len(recs) == 0:
		return b
	case recs[0].Has&codec.HasString != 0:
		return f.cell(b, recs[0].StringValue)
	case recs[0].Has&codec.HasBool != 0:
		return strconv.AppendBool(b, recs[0].BoolValue)
	}
	return b
}

func (f *sheet) number(b []byte, text string) []byte {
	if f.decimal == '.' {
		return append(b, text...)
	}
	return f.quoted(b, strings.Replace(text, ".", ",", 1))
}

// cell appends a text. One that a spreadsheet would take for a formula gets an
// apostrophe in front, as OWASP advises: names come from anybody.
func (f *sheet) cell(b []byte, text string) []byte {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		text = "'" + text
	}
	return f.quoted(b, text)
}

func (f *sheet) quoted(b []byte, text string) []byte {
	if !strings.ContainsAny(text, "\"\r\n'") && strings.IndexByte(text, f.sep) < 0 {
		return append(b, text...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(text, `"`, `""`)...)
	return append(b, '"')
}
