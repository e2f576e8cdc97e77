package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"topicd/codec"
	"topicd/node/front"
)

// The flags' types beyond pflag's own. Each says what it wants when it is given
// something else; the configuration file sets the same values.

// size is a number of bytes: 65536, 64KiB, 16MiB, 1.5GiB; KB and MB are 1000s.
type size int64

var sizeUnits = []struct {
	name string
	n    float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"B", 1}, {"", 1},
}

func (s *size) Set(text string) error {
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(strings.TrimSpace(text), u.name); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil || math.IsNaN(f) || f < 0 || f*u.n > 1<<50 {
				break
			}
			*s = size(f * u.n)
			return nil
		}
	}
	return fmt.Errorf("%q is not a size such as 64KiB, 16MiB or 65536", text)
}

func (s *size) Type() string   { return "SIZE" }
func (s *size) String() string { return formatSize(int64(*s)) }

// formatSize writes a size so that Set reads the same number.
func formatSize(n int64) string {
	for _, u := range []struct {
		name  string
		shift uint
	}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}} {
		if n > 0 && n&(1<<u.shift-1) == 0 {
			return strconv.FormatInt(n>>u.shift, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// switchValue is on or off; a bare flag is on.
type switchValue bool

func (v *switchValue) Set(text string) error {
	switch strings.ToLower(text) {
	case "on", "true", "yes", "1":
		*v = true
	case "off", "false", "no", "0":
		*v = false
	default:
		return fmt.Errorf("%q is neither on nor off", text)
	}
	return nil
}

func (v *switchValue) Type() string { return "on|off" }
func (v *switchValue) String() string {
	if *v {
		return "on"
	}
	return "off"
}

// choice is one of a few words, separated by bars in of.
type choice struct {
	v  *string
	of string
}

func (c choice) Set(text string) error {
	for _, w := range strings.Split(c.of, "|") {
		if w == text {
			*c.v = text
			return nil
		}
	}
	return fmt.Errorf("%q is none of %s", text, strings.ReplaceAll(c.of, "|", ", "))
}

func (c choice) Type() string   { return c.of }
func (c choice) String() string { return *c.v }

// checked is a text that must pass a check.
type checked struct {
	v     *string
	check func(string) error
}

func (c checked) Set(text string) error {
	err := c.check(text)
	if err == nil {
		*c.v = text
	}
	return err
}

func (c checked) Type() string   { return "TEXT" }
func (c checked) String() string { return *c.v }

// span is a duration; a bare number is seconds.
type span struct {
	v *time.Duration
}

func (s span) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		var f float64
		if f, err = strconv.ParseFloat(text, 64); err == nil {
			d = time.Duration(f * float64(time.Second))
		}
	}
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a duration such as 2ms, 10s or 5m", text)
	}
	*s.v = d
	return nil
}

// short is a duration as one would say it: 5m, not 5m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = text[:len(text)-2]
	}
	if strings.HasSuffix(text, "h0m") {
		text = text[:len(text)-2]
	}
	return text
}

func (s span) Type() string   { return "DURATION" }
func (s span) String() string { return s.v.String() }

// count is a whole number, 0 or more; unlimited allows -1.
type count struct {
	v         *int
	unlimited bool
}

func (c count) Set(text string) error {
	n, err := strconv.Atoi(text)
	switch {
	case err == nil && n >= 0:
	case err == nil && n == -1 && c.unlimited:
	case c.unlimited:
		return fmt.Errorf("%q is not a number, 0 or more, or -1 for no limit", text)
	default:
		return fmt.Errorf("%q is not a number, 0 or more", text)
	}
	*c.v = n
	return nil
}

func (c count) Type() string   { return "N" }
func (c count) String() string { return strconv.Itoa(*c.v) }

// list is a repeatable flag; the first use replaces the default.
type list struct {
	v     *[]string
	check func(string) error
	shown func(string) string // without what is secret; nil: all of it
	used  bool
}

func (l *list) Set(text string) error {
	if l.check != nil {
		if err := l.check(text); err != nil {
			return err
		}
	}
	if !l.used {
		*l.v, l.used = nil, true
	}
	*l.v = append(*l.v, text)
	return nil
}

func (l *list) Type() string { return "TEXT" }

func (l *list) String() string {
	if l.shown == nil {
		return strings.Join(*l.v, ",")
	}
	var out []string
	for _, v := range *l.v {
		out = append(out, l.shown(v))
	}
	return strings.Join(out, ",")
}

// secret is a text that is never shown again.
type secret struct{ v *string }

func (s secret) Set(text string) error { *s.v = text; return nil }
func (s secret) Type() string          { return "TEXT" }
func (s secret) String() string {
	if *s.v == "" {
		return ""
	}
	return "(set)"
}

func checkPattern(text string) error {
	if err := codec.CheckPattern([]byte(text)); err != nil {
		return errors.New(err.Msg)
	}
	return nil
}

func checkListen(text string) error {
	_, _, err := front.Split(text, dialectNames())
	return err
}

func checkMQTT(text string) error {
	if text == "off" {
		return nil
	}
	return checkListen(text + mqttOnly)
}

// checkPrefix refuses a prefix of Home Assistant's discovery that is no topic.
func checkPrefix(text string) error {
	if err := codec.CheckTopic([]byte(text)); err != nil {
		return errors.New(err.Msg)
	}
	if text[0] == '$' || strings.HasSuffix(text, "/") {
		return errors.New("a prefix does not begin with $ or end with /")
	}
	return nil
}
