package mws

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Check refuses what cannot be meant.
func (c *Config) Check() error {
	switch {
	case !isURL(c.URL, "ws", "wss"):
		return fmt.Errorf("mws-url: %q is not such as ws:// or wss://hub.example.org", c.URL)
	case !isURL(c.EDS.URL, "http", "https"):
		return fmt.Errorf("eds-url: %q is not such as http:// or https://hub.example.org", c.EDS.URL)
	case c.Access == "eds" && c.EDS.URL == "":
		return errors.New("mws-access: eds needs to know whom to ask: set url in [eds] of the configuration, --eds-url, or EDS_URL in the environment")
	}
	return nil
}

// isURL tells whether text is "" or a URL of one of the schemes.
func isURL(text string, schemes ...string) bool {
	u, err := url.Parse(text)
	return text == "" || err == nil && u.Host != "" && !strings.Contains(text, "#") && slices.Contains(schemes, u.Scheme)
}

// ParsePermissions reads the groups as the original's server has them in EDS_PERMISSIONS.
func ParsePermissions(text string) (read, write []string, err error) {
	var p *struct{ Read, Write []string }
	if err := json.Unmarshal([]byte(text), &p); err != nil || p == nil {
		return nil, nil, fmt.Errorf(`%q is not such as {"read":["*"],"write":["usergroups.12345"]}`, text)
	}
	return p.Read, p.Write, nil
}
