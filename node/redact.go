package node

import (
	"net/url"
	"strings"
)

// redact takes the values of tokens out of a request's URI: lists of clients
// show it to everybody who may watch presence.
func redact(uri string) string {
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
