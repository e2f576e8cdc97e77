package web

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"topicd/codec"
	"topicd/node"
)

// serveExport sends stored readings as a file, topic by topic, oldest first:
// GET /api/export?topic=PATTERN&since=&last=&format=ndjson|csv. All that is
// stored unless since or last say less.
func (s *server) serveExport(w http.ResponseWriter, r *http.Request) {
	s.api(w, r, func(sess *node.Session) *codec.Error {
		q, err := parseQuery(r.URL.Query())
		if err != nil {
			return err
		}
		if len(q.topics) == 0 {
			return codec.Errorf(codec.CodeMalformed, "topic is missing: /api/export?topic=greenhouse/%%23")
		}
		csv, err := wantsCSV(r)
		if err != nil {
			return err
		}
		ts, err := s.found(sess, q.topics)
		if err != nil {
			return err
		}
		kind, row := "ndjson", exportLine
		w.Header().Set("Content-Type", "application/x-ndjson")
		if csv {
			kind, row = "csv", exportCells
			w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
		}
		name := "topicd-" + time.UnixMilli(s.Hub.Wall()).UTC().Format("20060102-150405") + "." + kind
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		var b []byte
		if csv {
			b = append(b, csvHead...)
		}
		s.export(w, b, sess, ts, &q, row)
		return nil
	})
}

func wantsCSV(r *http.Request) (bool, *codec.Error) {
	switch format := r.URL.Query().Get("format"); format {
	case "csv":
		return true, nil
	case "ndjson":
		return false, nil
	case "":
		return strings.Contains(r.Header.Get("Accept"), "text/csv"), nil
	default:
		return false, codec.Errorf(codec.CodeMalformed, "format=%s: that is ndjson or csv", format)
	}
}

// export writes the readings of the topics piece by piece. Who reads slowly can
// take hours: the rights may have ended meanwhile.
func (s *server) export(w http.ResponseWriter, b []byte, sess *node.Session, ts []*node.Topic, q *query, row func([]byte, *node.Reading) []byte) {
	var raw []byte
	var err error
	now := s.Hub.Mono()
	all := *q
	if !q.hasLast && !q.hasIt {
		all.hasIt = true // since 0: all of them
	}
	for _, t := range ts {
		if !sess.MayRead(t.Name()) {
			break
		}
		from, to, _ := s.span(t, &all, q.ep, now)
		s.Hub.Read(t, from, to, &raw, func(g *node.Reading) bool {
			if b = row(b, g); len(b) >= chunk {
				b, err = send(w, b)
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

// csvHead: RFC 4180. Times are UTC. value and unit are there for what the hub
// understands: numbers, also SenML's, texts, true and false. data is the reading
// as JSON, but for a bare number or boolean, which value says already.
const csvHead = "time,ts,topic,seq,value,unit,from,data\r\n"

func exportCells(b []byte, g *node.Reading) []byte {
	b = time.UnixMilli(g.TS).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = strconv.AppendInt(append(b, ','), g.TS, 10)
	b = appendCell(append(b, ','), g.Topic)
	b = strconv.AppendUint(append(b, ','), g.Seq, 10)
	b = append(b, ',')
	value, unit, understood := codec.Reading(g.Enc(), g.Data)
	text, _ := codec.Transcode(nil, codec.JSON, g.Enc(), g.Data)
	text = oneLine(text)
	c := append(text, 0)[0] // 0 is no JSON
	bare := understood && (c == '-' || c-'0' < 10) || c == 't' || c == 'f'
	switch {
	case bare:
		b = append(b, text...) // all its digits
	case understood:
		b = strconv.AppendFloat(b, value, 'g', -1, 64)
	case c == '"':
		var s string
		_ = json.Unmarshal(text, &s)
		b = appendCell(b, s)
	}
	b = appendCell(append(b, ','), unit)
	b = appendCell(append(b, ','), string(g.From))
	b = append(b, ',')
	if !bare {
		b = appendQuoted(b, string(text))
	}
	return append(b, "\r\n"...)
}

// oneLine makes a JSON text one line without space around it.
func oneLine(text []byte) []byte {
	for i, c := range text {
		if c == '\n' || c == '\r' || c == '\t' {
			text[i] = ' '
		}
	}
	return []byte(strings.TrimSpace(string(text)))
}

// appendCell appends a text. One that a spreadsheet would take for a formula
// gets an apostrophe in front, as OWASP advises: names come from anybody.
func appendCell(b []byte, text string) []byte {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		text = "'" + text
	}
	return appendQuoted(b, text)
}

func appendQuoted(b []byte, text string) []byte {
	if !strings.ContainsAny(text, ",\"\r\n'") {
		return append(b, text...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(text, `"`, `""`)...)
	return append(b, '"')
}
