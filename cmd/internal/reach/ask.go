package reach

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"topicd/cmd/internal/command"
	"topicd/codec"
	"topicd/node/client"
	"topicd/node/state"
)

// Admin is how a command reaches a hub to administer it.
type Admin struct {
	Target
	Open bool // it may be asked without a token, where none is found

	token, state string
}

// AddFlags defines the flags of commands for administrators.
func (r *Admin) AddFlags(env *command.Env, fs *pflag.FlagSet) {
	r.Target.AddFlags(env, fs, "a host, ws://gateway:22345, or a name that `topicd discover` shows (env TOPICD_HUB)")
	fs.StringVar(&r.token, "token", "", "the hub's admin token (env TOPICD_ADMIN_TOKEN; on the hub's machine STATE/admin-token)")
	fs.StringVar(&r.state, "state", "", "state `DIR` of this machine's hub, where its admin token is (env TOPICD_STATE)")
}

// Ask makes a request of a hub's API and reads its answer into v.
func (r *Admin) Ask(ctx context.Context, method, path string, body, v any) error {
	return r.request(ctx, func(at *url.URL, token string, secure *tls.Config) error {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		return client.Ask(ctx, at, token, secure, method, path, body, v)
	})
}

// Fetch writes the file that a hub's API answers with to w, and says how long it was.
func (r *Admin) Fetch(ctx context.Context, path string, w io.Writer) (n int64, err error) {
	err = r.request(ctx, func(at *url.URL, token string, secure *tls.Config) (err error) {
		n, err = client.Fetch(ctx, at, token, secure, path, w)
		return err
	})
	return n, err
}

func (r *Admin) request(ctx context.Context, do func(at *url.URL, token string, secure *tls.Config) error) error {
	at, secure, err := r.At(ctx)
	if err != nil {
		return err
	}
	token, err := r.tokenFor(at.Hostname())
	if err != nil && !r.Open {
		return err
	}
	r.env.Tokened = token != ""
	return refusedBy(at.String(), do(at, token, secure))
}

// refusedBy is what an administrator is told of the error of a request.
func refusedBy(hub string, err error) error {
	var refused *codec.Error
	if !errors.As(err, &refused) {
		if err != nil {
			err = DialError(hub, err)
		}
		return err
	}
	hint := ""
	switch refused.Code {
	case codec.CodeUnauthorized, codec.CodeForbidden:
		return command.Fail(command.Forbidden, adminHint, "%w", refused)
	case codec.CodeNotFound:
		hint = "`topicd token list` shows them"
	case codec.CodeNoRoom:
		hint = "`df` of its state directory shows whether the hub's disk is full; `topicd token list` shows the tokens"
	}
	return command.Fail(command.Failed, hint, "%w", refused)
}

const adminHint = "give the admin token with --token or TOPICD_ADMIN_TOKEN; the hub shows it at its first start and keeps it in STATE/admin-token"

// tokenFor is the token that was given, or that of this machine's hub,
// which is not sent to other machines. One that was given is not sent where
// nobody said: anybody can tell the local network that there is a hub.
func (r *Admin) tokenFor(host string) (string, error) {
	for _, token := range []string{r.token, r.env.Getenv("TOPICD_ADMIN_TOKEN"), r.env.Getenv("TOPICD_TOKEN")} {
		if token != "" {
			if err := notOnlyFound(r.Hub, host, token); err != nil {
				return "", err
			}
			return token, nil
		}
	}
	if !IsHere(host) {
		return "", command.Fail(command.Forbidden, adminHint, "the admin token of the hub at %s is needed", host)
	}
	file := r.env.StateFile(r.state, state.AdminFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
		return "", command.Fail(command.Forbidden, adminHint+", where --state DIR or the hub's user can read it", "no admin token: %w", err)
	}
	if err != nil {
		return "", fmt.Errorf("no admin token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
