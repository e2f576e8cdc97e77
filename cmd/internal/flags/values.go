// Package flags has what the settings of a program are made of: values of flags
// that say what they want when they are given something else, and the ways by
// which one flag is also a variable of the environment and a key of the
// configuration file.
package flags

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"topicd/codec"
)

// Value is a flag's value (pflag.Value) by what is done with it.
type Value struct {
	Kind string // as the help shows what it wants
	Read func(text string) error
	Show func() string
}

// Set, Type and String implement pflag.Value.
func (v Value) Set(text string) error { return v.Read(text) }
func (v Value) Type() string          { return v.Kind }
func (v Value) String() string        { return v.Show() }

// Size is a number of bytes: 65536, 64KiB, 16MiB, 1.5GiB; KB and MB are 1000s.
type Size int64

var sizeUnits = []struct {
	name string
	n    float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"B", 1}, {"", 1},
}

func (s *Size) Set(text string) error {
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(strings.TrimSpace(text), u.name); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil || math.IsNaN(f) || f < 0 || f*u.n > 1<<50 {
				break
			}
			*s = Size(f * u.n)
			return nil
		}
	}
	return fmt.Errorf("%q is not a size such as 64KiB, 16MiB or 65536", text)
}

func (s *Size) Type() string { return "SIZE" }

// String writes a size so that Set reads the same number.
func (s *Size) String() string {
	for i := 2; i >= 0; i-- {
		if n := int64(sizeUnits[i].n); *s > 0 && int64(*s)%n == 0 {
			return strconv.FormatInt(int64(*s)/n, 10) + sizeUnits[i].name
		}
	}
	return strconv.FormatInt(int64(*s), 10)
}

// Switch is on or off.
type Switch bool

func (v *Switch) Set(text string) error {
	on := slices.Index([]string{"off", "on", "false", "true", "no", "yes", "0", "1"}, strings.ToLower(text))
	if on < 0 {
		return fmt.Errorf("%q is neither on nor off", text)
	}
	*v = on%2 == 1
	return nil
}

func (v *Switch) Type() string { return "on|off" }
func (v *Switch) String() string {
	if *v {
		return "on"
	}
	return "off"
}

// Choice is one of a few words, separated by bars in of.
func Choice(v *string, of string) Value {
	return Value{of, func(text string) error {
		if !slices.Contains(strings.Split(of, "|"), text) {
			return fmt.Errorf("%q is none of %s", text, strings.ReplaceAll(of, "|", ", "))
		}
		*v = text
		return nil
	}, func() string { return *v }}
}

// Checked is a text that must pass a check.
func Checked(v *string, check func(string) error) Value {
	return Value{"TEXT", func(text string) error {
		err := check(text)
		if err == nil {
			*v = text
		}
		return err
	}, func() string { return *v }}
}

// Secret is a text that is never shown again.
func Secret(v *string) Value {
	return Value{"TEXT", func(text string) error { *v = text; return nil }, func() string {
		if *v == "" {
			return ""
		}
		return "(set)"
	}}
}

// Span is a length of time; a bare number is seconds.
func Span(v *time.Duration) Value {
	return Value{"DURATION", func(text string) error {
		d, err := codec.Span(text, time.Second)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a duration such as 2ms, 10s, 5m or 30d", text)
		}
		*v = d
		return nil
	}, func() string { return v.String() }}
}

// Count is a whole number, least or more, which is 0, or -1 for no limit.
func Count(v *int, least int) Value {
	return Value{"N", func(text string) error {
		n, err := strconv.Atoi(text)
		switch {
		case err == nil && n >= least:
			*v = n
			return nil
		case least < 0:
			return fmt.Errorf("%q is not a number, 0 or more, or -1 for no limit", text)
		}
		return fmt.Errorf("%q is not a number, 0 or more", text)
	}, func() string { return strconv.Itoa(*v) }}
}

// List is a repeatable flag; the first use replaces the default.
type List struct {
	V     *[]string
	Check func(string) error  // nil: anything goes
	Shown func(string) string // without what is secret; nil: all of it
	used  bool
}

func (l *List) Set(text string) error {
	if l.Check != nil {
		if err := l.Check(text); err != nil {
			return err
		}
	}
	if !l.used {
		*l.V, l.used = nil, true
	}
	*l.V = append(*l.V, text)
	return nil
}

func (l *List) Type() string { return "TEXT" }

func (l *List) String() string {
	out := slices.Clone(*l.V)
	for i := range out {
		if l.Shown != nil {
			out[i] = l.Shown(out[i])
		}
	}
	return strings.Join(out, ",")
}

// Pattern is a check of patterns of topics.
func Pattern(text string) error {
	if err := codec.CheckPattern([]byte(text)); err != nil {
		return errors.New(err.Msg)
	}
	return nil
}
