package settings

import (
	"cmp"
	"errors"

	"github.com/spf13/pflag"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/node/dialect/mws"
)

// edsFlags are the keys of the file's [eds], without eds- there.
func (s *Settings) edsFlags(fs *pflag.FlagSet) {
	eds := &s.MWS.EDS
	fs.StringVar(&eds.URL, "eds-url", "", "`URL` that --mws-access=eds asks with GET and the token (env EDS_URL too)")
	fs.StringVar(&eds.Backend, "eds-backend", "", "`ID` sent there as Enginio-Backend-Id (env EDS_BACKEND_ID too)")
	fs.Var(&flags.List{V: &eds.Read}, "eds-read", "`GROUP` that may open sockets, repeatable")
	fs.Var(&flags.List{V: &eds.Write}, "eds-write", "`GROUP` that may send, repeatable")
}

// mwsEnv takes what the original's server takes from the environment, where nothing
// else was said.
func mwsEnv(fs *pflag.FlagSet, getenv func(string) string) error {
	set := func(flag string, values ...string) (err error) {
		if fs.Changed(flag) {
			return nil
		}
		for _, v := range values {
			if v != "" {
				err = errors.Join(err, fs.Set(flag, v))
			}
		}
		return err
	}
	err := errors.Join(set("mws-access", getenv("ACCESS_CONTROL")), set("eds-url", cmp.Or(getenv("EDS_URL"), getenv("EDS_URI"))), set("eds-backend", getenv("EDS_BACKEND_ID")))
	if err != nil {
		return command.Wrong("ACCESS_CONTROL: %w", err)
	}
	text := getenv("EDS_PERMISSIONS")
	if text == "" {
		return nil
	}
	read, write, err := mws.ParsePermissions(text)
	if err != nil {
		return command.Wrong("EDS_PERMISSIONS: %w", err)
	}
	for flag, groups := range map[string][]string{"eds-read": read, "eds-write": write} {
		f := fs.Lookup(flag)
		if f.Changed {
			continue
		}
		*f.Value.(*flags.List).V, f.Changed = groups, true
	}
	return nil
}
