package codec

// Option names, by the position of their Opt bit.
var optNames = [...]string{
	"dev", "token", "name", "last", "since", "ep", "rate", "pace", "latest", "from",
	"enc", "what", "match", "static", "cap", "durable", "stale", "split", "more",
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
	if bad := w.body(enc); bad != nil {
		return bad
	}
	root := w.scalar(enc, 0)
	if root.kind != kindMap {
		return Errorf(CodeMalformed, "opts must be a map")
	}
	it := w.items(enc, root.at)
	for {
		key, v, ok := it.member()
		if !ok {
			return nil
		}
		if bad := o.set(key, v); bad != nil {
			return bad
		}
	}
}

// set stores the option key.
func (o *Opts) set(key []byte, v scalar) *Error {
	bit := -1
	for i, name := range optNames {
		if name == string(key) {
			bit = i
			break
		}
	}
	if bit < 0 {
		return nil
	}
	opt := OptSet(1) << bit
	want := ""
	switch opt {
	case OptDev, OptToken, OptName, OptWhat, OptMatch:
		*o.textField(opt) = string(v.text)
		want = need(v.kind == kindText, "a string")
	case OptLast, OptPace, OptCap, OptStale:
		*o.intField(opt) = v.int
		want = need(v.isInt && v.int >= 0 && v.int <= MaxUint, "a whole number, 0 or more")
	case OptSince:
		o.Since = v.int
		want = need(v.isInt && v.int >= -MaxUint && v.int <= MaxUint, "a whole number")
	case OptEp:
		o.Ep = uint64(v.int)
		want = need(v.isInt && v.int >= 0 && v.int <= MaxUint, "a whole number, 0 or more")
	case OptRate:
		o.Rate = v.num
		want = need(v.kind == kindNumber && v.num >= 0, "a number, 0 or more")
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
	}
	return &o.Stale
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
	case OptSplit:
		return &o.Split
	}
	return &o.More
}

// parseErr reads the map of an err field. Members of the wrong type are an
// error, unknown ones are ignored.
func parseErr(enc Encoding, raw []byte, e *Error) *Error {
	w := getWalker(raw)
	defer putWalker(w)
	root := w.scalar(enc, 0)
	if root.kind != kindMap {
		return Errorf(CodeMalformed, "err must be a map of code, msg and retry")
	}
	const most = 1<<31 - 1 // int has 32 bits on small boards
	it := w.items(enc, root.at)
	for {
		key, v, ok := it.member()
		if !ok {
			return nil
		}
		isInt := v.isInt && v.int >= 0 && v.int <= most
		switch string(key) {
		case "code":
			if !isInt {
				return Errorf(CodeMalformed, "err.code must be a whole number")
			}
			e.Code = int(v.int)
		case "retry":
			if !isInt {
				return Errorf(CodeMalformed, "err.retry must be a whole number of milliseconds")
			}
			e.Retry = int(v.int)
		case "msg":
			if v.kind != kindText {
				return Errorf(CodeMalformed, "err.msg must be a string")
			}
			e.Msg = string(v.text)
		}
	}
}
