package codec

// Option names, by the position of their Opt bit.
var optNames = [...]string{
	"dev", "token", "name", "last", "since", "ep", "rate", "pace", "latest", "from",
	"enc", "what", "match", "static", "cap", "durable", "stale", "split", "more", "forget", "after", "step",
	"writable", "min", "max",
}

// ParseOpts reads the options of a request from raw, one map; empty raw is no
// options. Unknown options are ignored, for a later version may know them. A
// value of the wrong type or range is an *Error 400 that names the option.
// o is overwritten and owns what it holds.
func ParseOpts(enc Encoding, raw []byte, o *Opts) error {
	*o = Opts{}
	if len(raw) == 0 {
		return nil
	}
	w := getWalker(raw)
	defer putWalker(w)
	w.ignore = true
	if bad := w.body(enc); bad != nil {
		return bad
	}
	w.ignore = false
	i := w.untagged(enc)
	if shape(enc, raw, i) != kindMap {
		return Errorf(CodeMalformed, "opts must be a map")
	}
	it := w.items(enc, i)
	seen := OptSet(0)
	for key := []byte(nil); it.key(&key); {
		bit := optBit(key)
		if bit >= 0 {
			if seen&(1<<bit) != 0 {
				return Errorf(CodeMalformed, "the option %s stands twice", optNames[bit])
			}
			seen |= 1 << bit
		}
		if bit < 0 || !it.given() {
			it.skip()
			continue
		}
		v := w.scalar(enc, it.i)
		it.i = v.end
		if bad := w.err(); bad != nil {
			return bad
		}
		if bad := o.set(bit, v); bad != nil {
			return bad
		}
	}
	return nil
}

// optBit is the position of an option's bit, -1 for one that is not known.
func optBit(key []byte) int {
	for i, name := range optNames {
		if name == string(key) {
			return i
		}
	}
	return -1
}

// set stores the option at that position.
func (o *Opts) set(bit int, v scalar) *Error {
	opt := OptSet(1) << bit
	want := ""
	switch opt {
	case OptDev, OptToken, OptName, OptWhat, OptMatch:
		*o.textField(opt) = string(v.text)
		want = need(v.kind == kindText, "a string")
	case OptLast, OptPace, OptCap, OptStale, OptAfter, OptStep:
		*o.intField(opt) = v.int
		want = need(v.isInt && v.int >= 0, "a whole number, 0 or more")
	case OptSince:
		o.Since = v.int
		want = need(v.isInt, "a whole number")
	case OptEp:
		o.Ep = uint64(v.int)
		want = need(v.isInt && v.int >= 0, "a whole number, 0 or more")
	case OptRate:
		o.Rate = v.num
		want = need(v.kind == kindNumber && v.num >= 0, "a number, 0 or more")
	case OptMin, OptMax:
		*o.numField(opt) = v.num
		want = need(v.kind == kindNumber, "a number")
	case OptEnc:
		o.Enc = JSON
		if string(v.text) == "cbor" {
			o.Enc = CBOR
		}
		want = need(v.kind == kindText && string(v.text) == o.Enc.String(), `"json" or "cbor"`)
	default:
		*o.boolField(opt) = v.yes != (opt == OptFrom) // from:false is NotOwn
		want = need(v.kind == kindBool, "true or false")
	}
	if want != "" {
		return Errorf(CodeMalformed, "the option %s must be %s", optNames[bit], want)
	}
	o.Has |= opt
	return nil
}

// need returns what is wanted where ok does not hold.
func need(ok bool, what string) string {
	if ok {
		return ""
	}
	return what
}

func (o *Opts) textField(opt OptSet) *string {
	switch opt {
	case OptDev:
		return &o.Dev
	case OptToken:
		return &o.Token
	case OptName:
		return &o.Name
	case OptWhat:
		return &o.What
	}
	return &o.Match
}

func (o *Opts) intField(opt OptSet) *int64 {
	switch opt {
	case OptLast:
		return &o.Last
	case OptPace:
		return &o.Pace
	case OptCap:
		return &o.Cap
	case OptSince:
		return &o.Since
	case OptAfter:
		return &o.After
	case OptStep:
		return &o.Step
	}
	return &o.Stale
}

func (o *Opts) numField(opt OptSet) *float64 {
	switch opt {
	case OptMin:
		return &o.Min
	case OptMax:
		return &o.Max
	}
	return &o.Rate
}

func (o *Opts) boolField(opt OptSet) *bool {
	switch opt {
	case OptLatest:
		return &o.Latest
	case OptFrom:
		return &o.NotOwn
	case OptStatic:
		return &o.Static
	case OptDurable:
		return &o.Durable
	case OptWritable:
		return &o.Writable
	case OptSplit:
		return &o.Split
	case OptForget:
		return &o.Forget
	}
	return &o.More
}

// parseErr reads the map of an err field. Members of the wrong type are an
// error, unknown ones are ignored.
func parseErr(enc Encoding, raw []byte, e *Error) *Error {
	w := getWalker(raw)
	defer putWalker(w)
	i := w.untagged(enc)
	if shape(enc, raw, i) != kindMap {
		return Errorf(CodeMalformed, "err must be a map of code, msg and retry")
	}
	const most = 1<<31 - 1 // int has 32 bits on small boards
	it := w.items(enc, i)
	for key := []byte(nil); it.key(&key); {
		name := string(key)
		if name != "code" && name != "retry" && name != "msg" || !it.given() {
			it.skip()
			continue
		}
		v := w.scalar(enc, it.i)
		it.i = v.end
		if bad := w.err(); bad != nil {
			return bad
		}
		isInt := v.isInt && v.int >= 0 && v.int <= most
		switch {
		case name == "msg" && v.kind == kindText:
			e.Msg = string(v.text)
		case name == "msg":
			return Errorf(CodeMalformed, "err.msg must be a string")
		case name == "code" && isInt:
			e.Code = int(v.int)
		case name == "code":
			return Errorf(CodeMalformed, "err.code must be a whole number")
		case isInt:
			e.Retry = int(v.int)
		default:
			return Errorf(CodeMalformed, "err.retry must be a whole number of milliseconds")
		}
	}
	return nil
}
