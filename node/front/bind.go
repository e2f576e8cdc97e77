package front

import (
	"errors"
	"net"
	"strconv"
	"syscall"
	"time"

	"topicd/node/pause"
)

// Addresses come and go: at the boot of a board one is not there until somebody
// has given it, a port is held for a second by the hub before. So what can be
// served is served, and the rest is tried again until it can be.

const (
	bindAgain = 2 * time.Second // between two attempts
	bindHeld  = 2 * time.Second // how long a port that somebody else has is waited for where there is no other
)

// wanted is an address of the configuration that cannot be served yet.
type wanted struct {
	addr, dialect string
	tls           bool
}

// BindError is an address that cannot be served.
type BindError struct {
	Addr string
	Err  error
}

func (e *BindError) Error() string { return "cannot serve on " + e.Addr + ": " + e.Err.Error() }
func (e *BindError) Unwrap() error { return e.Err }

// Bind takes the addresses of the configuration, which Serve serves; on those of
// encrypted TLS is spoken whatever is on the others. An address that no interface
// has yet is waited for, and so is a port that somebody else has, where another
// can be served meanwhile. The error is a *BindError.
func (f *Front) Bind(plain, encrypted []string) error {
	began := time.Now()
	for i, text := range append(append([]string(nil), plain...), encrypted...) {
		addr, dialect, err := Split(text, f.opt.Dialects)
		if err != nil {
			return &BindError{text, err}
		}
		w := wanted{addr, dialect, f.opt.AllTLS || i >= len(plain)}
		if err := f.take(w); passing(err) {
			f.waiting = append(f.waiting, w)
			f.opt.Log.Warn("an address cannot be served yet: it is waited for", "addr", addr, "err", err)
		} else if err != nil {
			return &BindError{addr, err}
		}
	}
	for _, e := range f.rest() {
		e.fixed = true
		f.bound = append(f.bound, e)
	}
	for len(f.bound) == 0 {
		err := f.take(f.waiting[0])
		switch {
		case err == nil:
			f.served(0)
		case errors.Is(err, syscall.EADDRNOTAVAIL):
			return nil // the hub runs, and is reached when the address comes
		case !passing(err), time.Since(began) > bindHeld:
			return &BindError{f.waiting[0].addr, err}
		case !pause.For(f.ctx, 100*time.Millisecond):
			return nil
		}
	}
	return nil
}

// Offer serves on one more address if that is possible now. The error is a
// *BindError.
func (f *Front) Offer(text string) error {
	addr, dialect, err := Split(text, f.opt.Dialects)
	if err == nil {
		err = f.take(wanted{addr, dialect, f.opt.AllTLS})
	}
	if err != nil {
		return &BindError{text, err}
	}
	return nil
}

// passing tells whether what keeps us from an address may be over soon.
func passing(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EADDRINUSE)
}

// take binds an address of the configuration.
func (f *Front) take(w wanted) error {
	e, err := f.bind(w.addr, w.dialect)
	if err != nil {
		return err
	}
	e.fixed, e.tls = true, w.tls
	f.mu.Lock()
	f.bound = append(f.bound, e)
	open := f.open
	f.mu.Unlock()
	if open {
		f.serve(e)
	}
	return nil
}

// served takes an address from those that are waited for, and says so.
func (f *Front) served(i int) {
	f.mu.Lock()
	w := f.waiting[i]
	f.waiting = append(f.waiting[:i:i], f.waiting[i+1:]...)
	f.mu.Unlock()
	f.opt.Log.Info("an address that was waited for is served", "addr", w.addr)
}

// waitLoop tries the addresses that could not be served, until all are.
func (f *Front) waitLoop() {
	for len(f.waiting) > 0 && pause.For(f.ctx, f.again) {
		for i := len(f.waiting) - 1; i >= 0; i-- {
			if f.take(f.waiting[i]) == nil {
				f.served(i)
			}
		}
	}
}

// port is what others have to know where it is said in figures, 0 = nobody else
// reaches it.
func (w *wanted) port() int {
	host, port, _ := net.SplitHostPort(w.addr)
	if ip := net.ParseIP(host); ip == nil || ip.IsLoopback() {
		return 0
	}
	n, _ := strconv.Atoi(port)
	return n
}
