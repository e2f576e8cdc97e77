package replay

import (
	"encoding/csv"
	"io"
	"strconv"
	"time"

	"topicd/node/client"
)

// Sheet writes readings as CSV, with the columns of the hub's own export.
type Sheet struct{ w *csv.Writer }

// NewSheet begins a sheet.
func NewSheet(w io.Writer) *Sheet {
	s := &Sheet{csv.NewWriter(w)}
	_ = s.w.Write([]string{"time", "ts", "topic", "seq", "value", "unit", "from", "data"})
	return s
}

// Write adds a reading.
func (s *Sheet) Write(m client.Message) error {
	v, unit, ok := m.Value()
	shown := ""
	if ok {
		shown = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return s.w.Write([]string{
		time.UnixMilli(m.TS).UTC().Format("2006-01-02T15:04:05.000Z"), strconv.FormatInt(m.TS, 10), m.Topic,
		strconv.FormatUint(m.Seq, 10), shown, unit, m.From, string(m.JSON()),
	})
}

// Flush writes what waits.
func (s *Sheet) Flush() error {
	s.w.Flush()
	return s.w.Error()
}
