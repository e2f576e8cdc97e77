package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"topicd/codec"
	"topicd/node/client"
	"topicd/node/state"
)

// adminRemote is how a command reaches a hub to administer it.
type adminRemote struct {
	target
	token, state string
	open         bool // it may be asked without a token, where none is found
}

func (r *adminRemote) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&r.hub, "hub", "", "`HUB`: a host, ws://gateway:22345, or a name that `topicd discover` shows (env TOPICD_HUB)")
	fs.StringVar(&r.token, "token", "", "the hub's admin token (env TOPICD_ADMIN_TOKEN; on the hub's machine STATE/admin-token)")
	fs.StringVar(&r.state, "state", "", "state `DIR` of this machine's hub, where its admin token is (env TOPICD_STATE)")
	r.addPin(fs)
}

// ask makes a request of a hub's API and reads its answer into v.
func (a *app) ask(ctx context.Context, r *adminRemote, method, path string, body, v any) error {
	at, secure, err := a.reach(ctx, &r.target)
	if err != nil {
		return err
	}
	token, err := a.adminTokenFor(r, at.Hostname())
	if err != nil && !r.open {
		return err
	}
	a.tokened = token != ""
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	return a.refusedBy(at.String(), client.Ask(ctx, at, token, secure, method, path, body, v))
}

// refusedBy is what an administrator is told of the error of a request.
func (a *app) refusedBy(hub string, err error) error {
	var refused *codec.Error
	if !errors.As(err, &refused) {
		if err != nil {
			err = dialError(hub, err)
		}
		return err
	}
	hint := ""
	switch refused.Code {
	case codec.CodeUnauthorized, codec.CodeForbidden:
		return fail(exitForbidden, adminHint, "%w", refused)
	case codec.CodeNotFound:
		hint = "`topicd token list` shows them"
	case codec.CodeNoRoom:
		hint = "`df` of its state directory shows whether the hub's disk is full; `topicd token list` shows the tokens"
	}
	return fail(exitFailed, hint, "%w", refused)
}

const adminHint = "give the admin token with --token or TOPICD_ADMIN_TOKEN; the hub shows it at its first start and keeps it in STATE/admin-token"

// adminTokenFor is the token that was given, or that of this machine's hub,
// which is not sent to other machines. One that was given is not sent where
// nobody said: anybody can tell the local network that there is a hub.
func (a *app) adminTokenFor(r *adminRemote, host string) (string, error) {
	for _, token := range []string{r.token, a.getenv("TOPICD_ADMIN_TOKEN"), a.getenv("TOPICD_TOKEN")} {
		if token != "" {
			if err := notOnlyFound(r.hub, host, token); err != nil {
				return "", err
			}
			return token, nil
		}
	}
	if !isHere(host) {
		return "", fail(exitForbidden, adminHint, "the admin token of the hub at %s is needed", host)
	}
	file := a.stateFile(r.state, state.AdminFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
		return "", fail(exitForbidden, adminHint+", where --state DIR or the hub's user can read it", "no admin token: %w", err)
	}
	if err != nil {
		return "", fmt.Errorf("no admin token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
