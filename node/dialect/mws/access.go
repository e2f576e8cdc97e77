package mws

import (
	"net/http"

	"topicd/codec"
	"topicd/node"
	"topicd/node/access"
)

func (m *rest) isAdmin(r *http.Request) bool {
	token := access.Bearer(r)
	return token != "" && m.Admin != nil && m.Admin(token)
}

// needAdmin admits the administrator only, in every access mode.
func (c *call) needAdmin() bool {
	return c.admin || c.deny(http.StatusUnauthorized)
}

// deny answers who may not.
func (c *call) deny(status int) bool {
	c.Hub.Stats.Add(node.RefusedForbidden, 1)
	what := "Access denied"
	if status == http.StatusUnauthorized {
		c.w.Header().Set("WWW-Authenticate", "Bearer")
		if c.r.Header.Get("Authorization") == "" {
			what = "Authorization header is required"
		}
	}
	c.fail(status, what)
	return false
}

// may tells whether the request may "read" or "write", and answers if not. In
// mode none the hub's own rights of the request are asked.
func (c *call) may(what string, hub func(node.Rights) *codec.Error) bool {
	switch {
	case c.admin:
		return true
	case c.Access == "none":
		if r := node.RightsOf(c.r.Context()); r != nil {
			if err := hub(r); err != nil {
				c.Hub.Stats.Add(node.RefusedForbidden, 1)
				c.refuse(err)
				return false
			}
		}
		return true
	case c.eds == nil || access.Bearer(c.r) == "":
		return c.deny(http.StatusUnauthorized)
	}
	user, err := c.eds.verify(c.r.Context(), access.Bearer(c.r))
	switch {
	case err != nil:
		c.refuse(err)
		return false
	case user == nil:
		return c.deny(http.StatusUnauthorized)
	case !c.eds.allows(user, what):
		return c.deny(http.StatusForbidden)
	}
	return true
}
