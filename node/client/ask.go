package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"topicd/codec"
	"topicd/node/once"
)

// maxAnswer is more than the API answers to an administrator.
const maxAnswer = 8 << 20

// maxFile is more than a hub can hold on disk.
const maxFile = 1 << 50

// ErrNotHub is the error of Ask where what answered is no hub of this version.
var ErrNotHub = errors.New("this is not how a hub answers")

// Ask makes one request of the API of the hub with that WebSocket, as whoever has
// the token, and reads its answer into v. A refusal of the hub is a *codec.Error.
func Ask(ctx context.Context, hub *url.URL, token string, secure *tls.Config, method, path string, body, v any) error {
	resp, err := request(ctx, hub, token, secure, method, path, body, maxAnswer)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode < 300 {
		return json.Unmarshal(text, v)
	}
	return refusal(resp, text)
}

// Fetch is Ask for an answer that is a file, which is written to w.
func Fetch(ctx context.Context, hub *url.URL, token string, secure *tls.Config, path string, w io.Writer) (int64, error) {
	resp, err := request(ctx, hub, token, secure, "GET", path, nil, maxFile)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 300 {
		return io.Copy(w, resp.Body)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, err
	}
	return 0, refusal(resp, text)
}

func request(ctx context.Context, hub *url.URL, token string, secure *tls.Config, method, path string, body any, most int64) (*http.Response, error) {
	at := *hub
	at.Scheme, at.Path = strings.Replace(hub.Scheme, "ws", "http", 1), ""
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, at.String()+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/json")
	return once.Do(ctx, req, secure, most)
}

// refusal is the error that a hub answers with.
func refusal(resp *http.Response, text []byte) error {
	var e struct{ Error codec.Error }
	switch {
	case WantsTLS(string(text)):
		return errors.New(string(text))
	case json.Unmarshal(text, &e) != nil || e.Error.Code == 0:
		return &notHub{resp.Status}
	}
	return &e.Error
}

type notHub struct{ status string }

func (e *notHub) Error() string { return "answers " + e.status }
func (e *notHub) Unwrap() error { return ErrNotHub }
