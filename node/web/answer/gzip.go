package answer

import (
	"net/http"
	"strings"
)

// TakesGzip tells whether the client takes gzip (RFC 9110 12.5.3).
func TakesGzip(r *http.Request) bool {
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(strings.ReplaceAll(part, " ", ""), ";")
		if name = strings.ToLower(name); name == "gzip" || name == "*" {
			return weight != "q=0" && !strings.HasPrefix(weight, "q=0.0") && weight != "q=0."
		}
	}
	return false
}
