package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"topicd/codec"
	"topicd/node/client"
	"topicd/node/client/show"
	"topicd/node/state"
	"topicd/node/store"
	"topicd/node/ustar"
)

func (a *app) backup() *command {
	var r adminRemote
	c := newCommand("backup", "FILE|-", "Copy the durable topics of a running hub to a file")
	c.long = `Copy the durable topics of a running hub to a file, a tar that topicd restore reads:
all readings that were on disk when it ends, and the durable subscriptions. Nobody
is held up by it. It needs the hub's admin token, as topicd token does.`
	c.example = "  topicd backup store.tar\n  topicd backup - --hub gateway | ssh nas 'cat > store.tar'"
	c.min, c.max = 1, 1
	r.addFlags(c.flags)
	c.run = func(ctx context.Context, args []string) error {
		if args[0] == "-" {
			_, err := a.fetchBackup(ctx, &r, a.out)
			return err
		}
		f, err := os.CreateTemp(filepath.Dir(args[0]), ".backup")
		if err != nil {
			return err
		}
		defer os.Remove(f.Name())
		n, err := a.fetchBackup(ctx, &r, f)
		if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
			err = wholeTar(f.Name())
		}
		if err == nil {
			err = os.Rename(f.Name(), args[0])
		}
		if err == nil {
			a.note("%s: %s", args[0], show.Bytes(n))
		}
		return err
	}
	return c
}

func (a *app) fetchBackup(ctx context.Context, r *adminRemote, w io.Writer) (int64, error) {
	at, secure, err := a.reach(ctx, &r.target)
	if err != nil {
		return 0, err
	}
	token, err := a.adminTokenFor(r, at.Hostname())
	if err != nil {
		return 0, err
	}
	a.tokened = true
	n, err := client.Fetch(ctx, at, token, secure, "/api/backup", w)
	var refused *codec.Error
	if errors.As(err, &refused) && refused.Code == codec.CodeNotFound {
		return n, fail(exitFailed, "topicd serve --durable PATTERN keeps topics on disk", "the hub keeps no durable topics: %w", refused)
	}
	if n > 0 && err != nil {
		return n, fail(exitFailed, "", "the hub broke off after %s: %w", show.Bytes(n), err)
	}
	return n, a.refusedBy(at.String(), err)
}

// wholeTar: a file that was cut off is none.
func wholeTar(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for t := ustar.NewReader(f); ; {
		if _, err := t.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (a *app) restore() *command {
	var dir string
	c := newCommand("restore", "FILE|-", "Put a backup into the state directory of a hub that does not run")
	c.long = `Put a backup of topicd backup into the state directory of a hub that does not run
and has no durable topics yet. Topics go on above every number that the hub of the
backup may have given since, as after a power cut.`
	c.example = "  topicd restore store.tar --state /var/lib/topicd"
	c.min, c.max = 1, 1
	c.flags.StringVar(&dir, "state", "", "state `DIR` of the hub (env TOPICD_STATE)")
	c.run = func(_ context.Context, args []string) error {
		in := a.in
		if args[0] != "-" {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			in = f
		}
		at := a.stateFile(dir, "")
		if err := ensureState(at); err != nil {
			return err
		}
		s, err := state.Open(at)
		if err != nil {
			return fail(exitFailed, "stop it first: systemctl stop topicd", "%w uses %s", err, at)
		}
		defer s.Close()
		to := filepath.Join(at, "store")
		err = store.Restore(to, in)
		if errors.Is(err, store.ErrNotEmpty) {
			return fail(exitFailed, "move "+to+" away first, or name another directory with --state", "%s has durable topics already", at)
		}
		return err
	}
	return c
}
