package sense

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The units of the readings: SenML's names (RFC 8428 section 12.1, RFC 8798).
const (
	unitNone    = ""
	unitCel     = "Cel"
	unitRH      = "%RH"
	unitPa      = "Pa"
	unitV       = "V"
	unitA       = "A"
	unitW       = "W"
	unitJ       = "J"
	unitC       = "C"
	unitS       = "s"
	unitPerMin  = "1/min" // fans: the registry names it for "rpm"
	unitBattery = "%EL"
	unitRatio   = "/"
	unitPercent = "/100" // not "%", which means a ratio from 0 to 1
	unitB       = "B"
	unitBps     = "B/s"
)

// Reading is one value of one sensor.
type Reading struct {
	Topic string    // relative and valid, such as "thermal/cpu-thermal"
	Unit  string    // a SenML unit name, or ""
	Value float64   // finite; means nothing when Text is set
	Text  string    // the value of what is not a number, such as "Charging"
	Time  time.Time // when the value was read
}

// AppendJSON appends the reading as one SenML record, {"u":"Cel","v":48.3} or
// {"vs":"Charging"}. It says neither the name nor the time: the topic and the
// hub's timestamp do. A value that JSON cannot hold (NaN, infinite) is left out.
func (r Reading) AppendJSON(dst []byte) []byte {
	return append(r.appendFields(append(dst, '{')), '}')
}

// AppendJSONTime is AppendJSON with the time: "t" in seconds since 1970, to the
// millisecond.
func (r Reading) AppendJSONTime(dst []byte) []byte {
	dst = append(dst, '{')
	n := len(dst)
	dst = r.appendFields(dst)
	if len(dst) > n {
		dst = append(dst, ',')
	}
	dst = append(dst, `"t":`...)
	dst = strconv.AppendFloat(dst, float64(r.Time.UnixMilli())/1000, 'f', -1, 64)
	return append(dst, '}')
}

func (r Reading) appendFields(dst []byte) []byte {
	comma := false
	if r.Unit != "" {
		dst = appendString(append(dst, `"u":`...), r.Unit)
		comma = true
	}
	switch {
	case r.Text != "":
		if comma {
			dst = append(dst, ',')
		}
		dst = appendString(append(dst, `"vs":`...), r.Text)
	case finite(r.Value):
		if comma {
			dst = append(dst, ',')
		}
		dst = appendNumber(append(dst, `"v":`...), r.Value)
	}
	return dst
}

// appendNumber writes the shortest form that reads back as f.
func appendNumber(dst []byte, f float64) []byte {
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range s { // invalid UTF-8 comes out as U+FFFD
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', byte(c))
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = utf8.AppendRune(dst, c)
		}
	}
	return append(dst, '"')
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// maxName keeps names short: three levels and "gateway/<hostname>/" before them
// stay below the 128 bytes of a topic.
const maxName = 40

// level makes a valid topic level of whatever a driver calls itself.
func level(s string) string {
	s = strings.TrimSpace(s)
	var b strings.Builder
	for i, c := range s {
		if bad := c == '/' || c == '+' || c == '#' || c == utf8.RuneError ||
			unicode.IsControl(c) || unicode.IsSpace(c) || c == '$' && i == 0; bad {
			c = '_'
		}
		if b.Len()+utf8.RuneLen(c) > maxName {
			break
		}
		b.WriteRune(c)
	}
	if b.Len() == 0 {
		return "unnamed"
	}
	return b.String()
}

// names hands out the levels below one parent, each once.
type names map[string]bool

// take returns s as a level, with the first free of "-2", "-3", … when it is taken.
func (n names) take(s string) string {
	base := level(s)
	name := base
	for i := 2; n[name]; i++ {
		suffix := "-" + strconv.Itoa(i)
		cut := min(len(base), maxName-len(suffix))
		for cut > 0 && cut < len(base) && !utf8.RuneStart(base[cut]) {
			cut--
		}
		name = base[:cut] + suffix
	}
	n[name] = true
	return name
}
