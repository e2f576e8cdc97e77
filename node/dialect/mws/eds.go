package mws

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"topicd/codec"
	"topicd/node/once"
)

// EDSConfig says who knows the tokens of access mode eds: the data store that
// the Managed WebSocket's users belong to.
type EDSConfig struct {
	URL     string // asked with GET, the token in Authorization; 200 = good
	Backend string // for the header Enginio-Backend-Id; "" = none
	// Read and Write are the groups that may: "usergroups.<id>", or "*" for
	// everybody with a good token.
	Read, Write []string

	timeout time.Duration // of a request to EDS; longer in tests
}

const (
	edsTimeout = 5 * time.Second
	edsAtOnce  = 4        // requests to EDS at a time
	edsWaiting = 64       // requests of ours that ask EDS or wait for their turn to
	edsAnswer  = 64 << 10 // bytes of an answer
	edsKept    = 256      // good answers
	edsKeep    = 30 * time.Second
)

// eds asks for tokens and remembers good answers for a while.
type eds struct {
	EDSConfig
	gate  chan struct{} // holds one for each request to EDS: edsAtOnce
	queue chan struct{} // holds one for each that asks or waits: edsWaiting

	mu   sync.Mutex
	good map[[sha256.Size]byte]*edsUser
}

// edsUser is whom a good token belongs to.
type edsUser struct {
	groups []string // objectType.id
	until  time.Time
}

func newEDS(cfg EDSConfig) *eds {
	cfg.timeout = cmp.Or(cfg.timeout, edsTimeout)
	return &eds{
		EDSConfig: cfg,
		gate:      make(chan struct{}, edsAtOnce),
		queue:     make(chan struct{}, edsWaiting),
		good:      make(map[[sha256.Size]byte]*edsUser),
	}
}

var (
	errEDSBusy = &codec.Error{Code: codec.CodeGoingAway, Msg: "Too many tokens are being checked", Retry: 1000}
	errEDSAway = &codec.Error{Code: codec.CodeGoingAway, Msg: "The token could not be checked: EDS does not answer", Retry: 5000}
)

// verify is the token's user, nil if it is not good.
func (e *eds) verify(ctx context.Context, token string) (*edsUser, *codec.Error) {
	key := sha256.Sum256([]byte(token))
	if u := e.known(key); u != nil {
		return u, nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	select {
	case e.queue <- struct{}{}:
		defer func() { <-e.queue }()
	default:
		return nil, errEDSBusy
	}
	select {
	case e.gate <- struct{}{}:
		defer func() { <-e.gate }()
	case <-ctx.Done():
		return nil, errEDSBusy
	}
	if u := e.known(key); u != nil { // somebody asked meanwhile
		return u, nil
	}
	u, err := e.ask(ctx, token)
	if u != nil {
		e.keep(key, u)
	}
	return u, err
}

// ask asks the data store. 4xx means that the token is not good; no answer, or
// one that is no user, says nothing of the token.
func (e *eds) ask(ctx context.Context, token string) (*edsUser, *codec.Error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL, nil)
	if err != nil {
		return nil, errEDSAway
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	if e.Backend != "" {
		req.Header.Set("Enginio-Backend-Id", e.Backend)
	}
	res, err := once.Do(ctx, req, nil, 16<<10+edsAnswer+1)
	if err != nil {
		return nil, errEDSAway
	}
	defer res.Body.Close()
	switch c := res.StatusCode; {
	case c >= 400 && c < 500 && c != http.StatusTooManyRequests:
		return nil, nil
	case c != http.StatusOK:
		return nil, errEDSAway
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, edsAnswer+1))
	if err == nil && len(b) <= edsAnswer {
		if u := parseEDS(b); u != nil {
			return u, nil
		}
	}
	return nil, errEDSAway
}

// parseEDS reads {"id":…,"usergroups":[{"id","objectType"}]}; nil: it is not that.
func parseEDS(b []byte) *edsUser {
	var in struct {
		ID     string
		Groups []struct{ ID, ObjectType string } `json:"usergroups"`
	}
	if json.Unmarshal(b, &in) != nil || in.ID == "" {
		return nil
	}
	u := &edsUser{}
	for _, g := range in.Groups {
		u.groups = append(u.groups, g.ObjectType+"."+g.ID)
	}
	return u
}

func (e *eds) known(key [sha256.Size]byte) *edsUser {
	e.mu.Lock()
	defer e.mu.Unlock()
	u := e.good[key]
	if u == nil || time.Now().Before(u.until) {
		return u
	}
	delete(e.good, key)
	return nil
}

func (e *eds) keep(key [sha256.Size]byte, u *edsUser) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	u.until = now.Add(edsKeep)
	for k, v := range e.good { // the old ones, or any where there are too many
		if now.After(v.until) || len(e.good) >= edsKept {
			delete(e.good, k)
		}
	}
	e.good[key] = u
}

// allows tells whether the user may "read" or "write".
func (e *eds) allows(u *edsUser, what string) bool {
	allowed := e.Read
	if what == "write" {
		allowed = e.Write
	}
	return slices.ContainsFunc(allowed, func(g string) bool { return g == "*" || slices.Contains(u.groups, g) })
}
