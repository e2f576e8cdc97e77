package access

import (
	"net/http"
	"strings"
)

// Bearer is the token of a request's Authorization (RFC 6750 section 2.1), "" if
// there is none.
func Bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// TokenOf is a request's token. Browsers cannot give a WebSocket or an event
// stream a header, so it may stand in the query.
func TokenOf(r *http.Request) string {
	if token := Bearer(r); token != "" {
		return token
	}
	if r.URL.RawQuery == "" {
		return ""
	}
	return r.URL.Query().Get("access_token")
}
