package web

import (
	"math"
	"net/url"
	"strconv"
	"strings"

	"topicd/codec"
)

// query are the parameters of a request that say which readings are meant.
type query struct {
	topics []string // patterns
	codec.Opts
}

// parseQuery reads last, since, ep, step, rate and latest, and topic, repeatable.
// Parameters that it does not know are another's.
func parseQuery(v url.Values) (q query, bad *codec.Error) {
	number := func(name string, low int64, opt codec.OptSet) (n int64) {
		text := v.Get(name)
		if text == "" {
			return 0
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < low || n > codec.MaxUint {
			bad = codec.Errorf(codec.CodeMalformed, "%s=%s: that is a whole number, %d or more", name, text, low)
		}
		q.Has |= opt
		return n
	}
	q.Last = number("last", 0, codec.OptLast)
	q.Since = number("since", -maxAge, codec.OptSince)
	q.Ep = uint64(number("ep", 0, codec.OptEp))
	if text := v.Get("step"); text != "" {
		var err *codec.Error
		if q.Step, err = parseStep(text); err != nil {
			bad = err
		}
		q.Has |= codec.OptStep
	}
	if text := v.Get("rate"); text != "" {
		var err error
		if q.Rate, err = strconv.ParseFloat(text, 64); err != nil || math.IsNaN(q.Rate) || q.Rate < 1e-3 || q.Rate > 1000 {
			bad = codec.Errorf(codec.CodeMalformed, "rate=%s: that is 0.001 to 1000 readings per second and topic", text)
		}
	}
	latest, err := flag(v, "latest")
	if q.Latest = latest; err != nil {
		bad = err
	}
	for _, p := range v["topic"] {
		q.topics = append(q.topics, pattern(p))
	}
	if len(q.topics) > maxPatterns {
		bad = codec.Errorf(codec.CodeTooLarge, "more than %d topics: use a pattern", maxPatterns)
	}
	for _, p := range q.topics {
		if err := checkPattern(p); err != nil {
			bad = err
		}
	}
	return q, bad
}

// pattern is a pattern as it was meant: a + that is not written %2B arrives as a
// space, and nobody has levels of one space.
func pattern(p string) string {
	levels := strings.Split(p, "/")
	for i, l := range levels {
		if l == " " {
			levels[i] = "+"
		}
	}
	return strings.Join(levels, "/")
}

func checkPattern(p string) *codec.Error {
	if err := codec.CheckPattern([]byte(p)); err != nil {
		return err
	}
	if strings.HasSuffix(p, "/") { // clients take # for the end of the URL
		return codec.Errorf(codec.CodeMalformed, "the pattern %q ends in an empty level: # is written %%23 in a URL", p)
	}
	return nil
}

const (
	maxAge      = 10 * 365 * 86400 // seconds: more does not fit a clock's milliseconds twice
	maxPatterns = 64               // of one request
)

// flag is a parameter that is yes or no; "latest" alone is yes.
func flag(v url.Values, name string) (bool, *codec.Error) {
	if !v.Has(name) {
		return false, nil
	}
	switch text := v.Get(name); text {
	case "", "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	default:
		return false, codec.Errorf(codec.CodeMalformed, "%s=%s: that is 1 or 0", name, text)
	}
}
