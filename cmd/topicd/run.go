package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"topicd/codec"
	"topicd/node"
)

// version is set by the Makefile: -ldflags "-X main.version=…".
var version = "dev"

// Exit codes, for scripts.
const (
	exitOK          = 0
	exitFailed      = 1   // the hub refused, or something broke on the way
	exitUsage       = 2   // the command line or the configuration makes no sense
	exitUnreachable = 3   // no hub answered at the address
	exitForbidden   = 4   // the hub wants a token, or this one may not
	exitTimeout     = 5   // --timeout passed first
	exitInterrupted = 130 // Ctrl-C, as a shell has it
)

// failure is an error with an exit code and, where we know one, a hint.
type failure struct {
	code int
	hint string
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// fail makes a failure. An empty hint is no hint.
func fail(code int, hint string, format string, a ...any) error {
	return &failure{code, hint, fmt.Errorf(format, a...)}
}

func usage(format string, a ...any) error { return fail(exitUsage, "", format, a...) }

// app is what a command needs of its surroundings. Tests have their own.
type app struct {
	in      io.Reader
	out     io.Writer
	getenv  func(string) string
	environ []string // what getenv knows

	clock node.Clock    // of the hub; nil: the machine's
	dead  time.Duration // by that clock, without a sign of life; 0: link's

	tokened bool // a token was given

	errMu sync.Mutex // notes of a connection come from its goroutine
	err   io.Writer
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	a := &app{in: in, out: out, err: errOut, getenv: os.Getenv, environ: os.Environ()}
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int { return a.exit(a.execute(ctx, args)) }

// exit tells what went wrong and returns the exit code.
func (a *app) exit(err error) int {
	if err == nil {
		return exitOK
	}
	var f *failure
	var refused *codec.Error
	switch {
	case errors.As(err, &f):
	case errors.As(err, &refused):
		f = &failure{err: err}
		f.code, f.hint = codeExit(refused.Code)
		if refused.Code == codec.CodeUnauthorized && a.tokened {
			f.hint = "`topicd token list` shows those that the hub knows, `topicd token create` makes one"
		}
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, context.DeadlineExceeded):
		f = &failure{code: exitTimeout, err: errors.New("the time is over")}
	default:
		f = &failure{code: exitFailed, err: err}
	}
	a.errMu.Lock()
	defer a.errMu.Unlock()
	fmt.Fprintln(a.err, "topicd:", f)
	if f.hint != "" {
		fmt.Fprintln(a.err, "hint:", f.hint)
	}
	return f.code
}
