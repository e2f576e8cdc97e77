package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"topicd/codec"
	"topicd/node/state"
	"topicd/node/web"
)

// adminRemote is how a command reaches a hub to administer it.
type adminRemote struct{ hub, token, state, pin string }

func (r *adminRemote) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&r.hub, "hub", "", "`HUB`: a host, ws://gateway:22345, or a name that `topicd discover` shows (env TOPICD_HUB)")
	fs.StringVar(&r.token, "token", "", "the hub's admin token (env TOPICD_ADMIN_TOKEN; on the hub's machine STATE/admin-token)")
	fs.StringVar(&r.state, "state", "", "state `DIR` of this machine's hub, where its admin token is (env TOPICD_STATE)")
	addPin(fs, &r.pin)
}

// ask makes a request of a hub's API and reads its answer into v.
func (a *app) ask(ctx context.Context, r *adminRemote, method, path string, body, v any) error {
	if r.hub == "" {
		r.hub = a.getenv("TOPICD_HUB")
	}
	at, err := a.hubAt(ctx, r.hub)
	if err != nil {
		return err
	}
	u, err := url.Parse(at)
	if err != nil {
		return err
	}
	token, err := a.adminTokenFor(r, u.Hostname())
	if err != nil {
		return err
	}
	a.tokened = token != ""
	u.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	u.Path = ""
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, u.String()+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	secure, err := a.secure(u, r.pin)
	if err != nil {
		return err
	}
	resp, err := web.Once(ctx, req, secure, 8<<20)
	if err != nil {
		return dialError(at, err)
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	if err != nil {
		return dialError(at, err)
	}
	if resp.StatusCode >= 300 {
		if bytes.Contains(text, []byte(wantsTLS)) {
			return speaksTLS(at)
		}
		var e struct{ Error codec.Error }
		if json.Unmarshal(text, &e) != nil || e.Error.Code == 0 {
			return fail(exitUnreachable, "is that a topicd of this version?", "%s answers %s", at, resp.Status)
		}
		switch e.Error.Code {
		case codec.CodeUnauthorized, codec.CodeForbidden:
			return fail(exitForbidden, adminHint, "%w", &e.Error)
		case codec.CodeNotFound:
			return fail(exitFailed, "`topicd token list` shows them", "%w", &e.Error)
		}
		return &e.Error
	}
	return json.Unmarshal(text, v)
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
