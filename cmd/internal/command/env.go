package command

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"topicd/codec"
	"topicd/node/client/show"
)

// Exit codes, for scripts.
const (
	OK          = 0
	Failed      = 1   // the hub refused, or something broke on the way
	Usage       = 2   // the command line or the configuration makes no sense
	Unreachable = 3   // no hub answered at the address
	Forbidden   = 4   // the hub wants a token, or this one may not
	Timeout     = 5   // --timeout passed first
	Interrupted = 130 // Ctrl-C, as a shell has it
)

// Failure is an error with an exit code and, where we know one, a hint.
type Failure struct {
	Code int
	Hint string
	Err  error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// Fail makes a failure. An empty hint is no hint.
func Fail(code int, hint string, format string, a ...any) error {
	return &Failure{code, hint, fmt.Errorf(format, a...)}
}

// Wrong is the failure of what makes no sense.
func Wrong(format string, a ...any) error { return Fail(Usage, "", format, a...) }

// Env is what a command needs of its surroundings. Tests have their own.
type Env struct {
	In      io.Reader
	Out     io.Writer
	Getenv  func(string) string
	Environ []string // what Getenv knows
	Tokened bool     // a token was given

	mu  sync.Mutex // notes of a connection come from its goroutine
	Err io.Writer
}

// Note tells people something on the way.
func (e *Env) Note(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	fmt.Fprintf(e.Err, "topicd: "+format+"\n", args...)
}

// Exit tells what went wrong and returns the exit code.
func (e *Env) Exit(err error) int {
	if err == nil {
		return OK
	}
	var f *Failure
	var refused *codec.Error
	switch {
	case errors.As(err, &f):
	case errors.As(err, &refused):
		f = &Failure{Err: err}
		f.Code, f.Hint = Refusal(refused.Code)
		if refused.Code == codec.CodeUnauthorized && e.Tokened {
			f.Hint = "`topicd token list` shows those that the hub knows, `topicd token create` makes one"
		}
	case errors.Is(err, context.Canceled):
		return Interrupted
	case errors.Is(err, context.DeadlineExceeded):
		f = &Failure{Code: Timeout, Err: errors.New("the time is over")}
	default:
		f = &Failure{Code: Failed, Err: err}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	fmt.Fprintln(e.Err, "topicd:", f)
	if f.Hint != "" {
		fmt.Fprintln(e.Err, "hint:", f.Hint)
	}
	return f.Code
}

// Refusal is the exit code for each refusal of a hub.
func Refusal(code int) (exit int, hint string) {
	switch code {
	case codec.CodeUnauthorized:
		return Forbidden, "give a token with --token or TOPICD_TOKEN"
	case codec.CodeForbidden:
		return Forbidden, "this token may not do that, or the name belongs to the hub ($…)"
	case codec.CodeTooFast:
		return Failed, "the hub takes so many requests per second only; [limits] rate in its topicd.toml"
	case codec.CodeTooLarge:
		return Failed, "the hub's --max-frame is the largest message it takes"
	case codec.CodeNoRoom:
		return Failed, "the hub's limits are in its topicd.toml; `topicd list topics` shows who holds the memory"
	case codec.CodeNotFound:
		return Failed, "`topicd list topics` shows what is there"
	case http.StatusUpgradeRequired: // the text says what to do
		return Unreachable, ""
	case codec.CodeGoingAway:
		return Unreachable, "the hub is restarting: try again"
	}
	return Failed, ""
}

// StateDir is where the state is when nothing else was said, "" = nowhere.
func StateDir(getenv func(string) string, root bool) string {
	switch {
	case getenv("XDG_STATE_HOME") != "":
		return filepath.Join(getenv("XDG_STATE_HOME"), "topicd")
	case root:
		return "/var/lib/topicd"
	case getenv("HOME") != "":
		return filepath.Join(getenv("HOME"), ".local", "state", "topicd")
	}
	return "" // not below /tmp: who made it there before us would know the admin token
}

// StateFile is a file of this machine's state, in dir if that is not "". Where there is
// no state it is one that is not there.
func (e *Env) StateFile(dir, name string) string {
	dir = cmp.Or(dir, e.Getenv("TOPICD_STATE"), StateDir(e.Getenv, os.Geteuid() == 0))
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, name)
}

// Open opens a file to read; - is standard input.
func (e *Env) Open(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(e.In), nil
	}
	return os.Open(name)
}

// WriteNew writes a file that is not there yet. Of two that try at once only one does.
func WriteNew(name string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// Print prints v for scripts, text for people.
func (e *Env) Print(asJSON bool, v any, text string) error {
	if asJSON {
		return json.NewEncoder(e.Out).Encode(v)
	}
	_, err := fmt.Fprintln(e.Out, text)
	return err
}

// List is tables for people, or one JSON object a line for scripts.
type List struct {
	table show.Table
	w     *bufio.Writer
	begun bool          // there was a head
	enc   *json.Encoder // nil: for people
	err   error
}

// List begins one, with such a head for people (show.Table).
func (e *Env) List(asJSON bool, head ...string) *List {
	l := &List{w: bufio.NewWriter(e.Out)}
	if asJSON {
		l.enc = json.NewEncoder(l.w)
		l.enc.SetEscapeHTML(false)
	}
	l.Head(head...)
	return l
}

// Head ends the table and begins another, with an empty line before one with a head.
func (l *List) Head(names ...string) {
	if l.enc != nil {
		return
	}
	l.table.Print(l.w)
	l.table = show.Table{}
	if len(names) > 0 {
		if l.begun {
			l.w.WriteString("\n")
		}
		l.begun = true
		l.table.Head(names...)
	}
}

// Add adds a row, which is v for scripts.
func (l *List) Add(v any, cells ...any) {
	if l.enc != nil {
		l.err = errors.Join(l.err, l.enc.Encode(v))
		return
	}
	l.table.Row(cells...)
}

// End prints what was added.
func (l *List) End() error {
	l.table.Print(l.w)
	return errors.Join(l.err, l.w.Flush())
}
