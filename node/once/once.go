// Package once asks over HTTP, one request a connection. net/http's own client can do much
// more, and takes 0.1 MB of the armv6 binary.
package once

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
)

// Do makes one request on a connection of its own, follows no redirect, and
// reads no more than limit bytes of head and body together. Only the context ends it
// early.
func Do(ctx context.Context, req *http.Request, secure *tls.Config, limit int64) (*http.Response, error) {
	addr, port := req.URL.Hostname(), req.URL.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[req.URL.Scheme]
	}
	var dial interface {
		DialContext(context.Context, string, string) (net.Conn, error)
	} = &net.Dialer{}
	if req.URL.Scheme == "https" {
		dial = &tls.Dialer{Config: secure}
	}
	conn, err := dial.DialContext(ctx, "tcp", net.JoinHostPort(addr, port))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	end := func() { stop(); conn.Close() }
	req.Close = true
	if err = req.Write(conn); err != nil {
		end()
		return nil, because(ctx, err)
	}
	res, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, limit)), req)
	if err != nil {
		end()
		return nil, because(ctx, err)
	}
	res.Body = &onceBody{res.Body, end}
	return res, nil
}

// because is the context's error where that is why the connection broke.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// onceBody closes the connection with the body.
type onceBody struct {
	io.ReadCloser
	end func()
}

func (b *onceBody) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}
