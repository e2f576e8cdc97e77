package main

import (
	"net/netip"

	"topicd/cmd/internal/command"
	"topicd/codec"
	"topicd/node"
	"topicd/node/access"
	"topicd/node/state"
)

// adminToken is the admin's token and where it is from.
type adminToken struct {
	token, file string
	made        bool // at this start
}

// findAdmin reads the admin token, or makes it at the first start.
func (s *server) findAdmin() (a adminToken, err error) {
	if s.set.AdminFile == "" && s.set.AdminToken != "" {
		return adminToken{token: s.set.AdminToken}, nil
	}
	own := s.set.AdminFile == ""
	if a.file = s.set.AdminFile; own {
		a.file = s.state.File(state.AdminFile)
	}
	a.token, a.made, err = state.AdminToken(a.file, own, s.log, access.NewToken)
	return a, err
}

// openGate brings up what decides who may do what.
func (s *server) openGate() (err error) {
	if s.admin, err = s.findAdmin(); err != nil {
		return command.Fail(command.Failed, "--admin-token-file names another file, TOPICD_ADMIN_TOKEN is the token itself", "no admin token: %w", err)
	}
	if len(s.admin.token) < 16 {
		s.log.Warn("the admin token can be guessed: make it longer", "bytes", len(s.admin.token))
	}
	o := access.Options{
		Near: s.front.Near, Log: s.log, Told: &s.told,
		Mode: s.set.Access, Admin: s.admin.token, File: s.state.File("tokens.json"), Joined: s.set.Joined,
		Refused: func(code int) {
			if code == codec.CodeTooFast {
				s.hub.Stats.Add(node.RefusedGuesses, 1)
			} else {
				s.hub.Stats.Add(node.RefusedNoToken, 1)
			}
		},
		Cut: func(over func(node.Rights) bool, why *codec.Error) int {
			n := s.hub.CutWhere(over, why)
			s.hub.Stats.Add(node.CutEnded, int64(n))
			return n
		},
	}
	for _, p := range s.set.LAN {
		o.LAN = append(o.LAN, netip.MustParsePrefix(p)) // the flag has checked it
	}
	if s.gate, err = access.New(o); err != nil {
		return command.Fail(command.Failed, "mend the file, or remove it: all tokens are to be made anew then", "%w", err)
	}
	return nil
}

func describeAccess(mode string) string {
	switch mode {
	case access.Token:
		return "token: everybody needs one"
	case access.Join:
		return "join: everybody needs a token; devices get theirs after topicd join --open 5m"
	}
	return "lan: this network's addresses need no token, all others do"
}
