package node

import (
	"net/url"
	"strings"
)

// maxURI is what is kept of a request's URI: a session has it as long as it
// lasts, and a request's head may have 16 KiB.
const maxURI = 512

// redact takes the values of tokens out of a request's URI: lists of clients
// show it to everybody who may watch presence.
func redact(uri string) string {
	if len(uri) > maxURI {
		uri = strings.ToValidUTF8(strings.Clone(uri[:maxURI]), "") + "…"
	}
	path, query, has := strings.Cut(uri, "?")
	if !has {
		return uri
	}
	pairs := strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' })
	for i, p := range pairs {
		key, _, _ := strings.Cut(p, "=")
		if name, err := url.QueryUnescape(key); err != nil || strings.HasSuffix(name, "token") {
			pairs[i] = key + "=…"
		}
	}
	return path + "?" + strings.Join(pairs, "&")
}
