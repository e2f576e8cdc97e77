package state

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
)

// HubID is the hub's own number, made at its first start: boards flashed from
// one image must not share it. "" where there is no place to keep it: the
// machine's serves then.
func HubID(file string, log *slog.Logger) string {
	if b, err := os.ReadFile(file); err == nil {
		if id := strings.TrimSpace(string(b)); len(id) == 8 && strings.Trim(id, "0123456789abcdef") == "" {
			return id
		}
	}
	id := fmt.Sprintf("%08x", rand.Uint32())
	if err := Write(file, []byte(id+"\n")); err != nil {
		log.Warn("the hub's id cannot be kept", "err", err)
		return ""
	}
	return id
}
