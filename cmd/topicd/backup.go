package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/reach"
	"topicd/cmd/internal/settings"
	"topicd/codec"
	"topicd/node/client/show"
	"topicd/node/state"
	"topicd/node/store"
	"topicd/node/ustar"
)

func (a *app) backup() *command.Command {
	var r reach.Admin
	c := command.New("backup", "FILE|-", "Copy the durable topics of a running hub to a file")
	c.Long = `Copy the durable topics of a running hub to a file, a tar that topicd restore reads:
all readings that were on disk when it ends, and the durable subscriptions. Nobody
is held up by it. It needs the hub's admin token, as topicd token does.`
	c.Example = "  topicd backup store.tar\n  topicd backup - --hub gateway | ssh nas 'cat > store.tar'"
	c.Min, c.Max = 1, 1
	r.AddFlags(&a.Env, c.Flags)
	c.Run = func(ctx context.Context, args []string) error {
		if args[0] == "-" {
			_, err := fetchBackup(ctx, &r, a.Out)
			return err
		}
		f, err := os.CreateTemp(filepath.Dir(args[0]), ".backup")
		if err != nil {
			return err
		}
		defer os.Remove(f.Name())
		n, err := fetchBackup(ctx, &r, f)
		if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
			err = wholeTar(f.Name())
		}
		if err == nil {
			err = os.Rename(f.Name(), args[0])
		}
		if err == nil {
			a.Note("%s: %s", args[0], show.Bytes(n))
		}
		return err
	}
	return c
}

func fetchBackup(ctx context.Context, r *reach.Admin, w io.Writer) (int64, error) {
	n, err := r.Fetch(ctx, "/api/backup", w)
	var refused *codec.Error
	switch {
	case errors.As(err, &refused) && refused.Code == codec.CodeNotFound:
		err = command.Fail(command.Failed, "topicd serve --durable PATTERN keeps topics on disk", "the hub keeps no durable topics: %w", refused)
	case n > 0 && err != nil:
		err = command.Fail(command.Failed, "", "the hub broke off after %s: %w", show.Bytes(n), err)
	}
	return n, err
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

func (a *app) restore() *command.Command {
	var dir string
	c := command.New("restore", "FILE|-", "Put a backup into the state directory of a hub that does not run")
	c.Long = `Put a backup of topicd backup into the state directory of a hub that does not run
and has no durable topics yet. Topics go on above every number that the hub of the
backup may have given since, as after a power cut.`
	c.Example = "  topicd restore store.tar --state /var/lib/topicd"
	c.Min, c.Max = 1, 1
	c.Flags.StringVar(&dir, "state", "", "state `DIR` of the hub (env TOPICD_STATE)")
	c.Run = func(_ context.Context, args []string) error {
		in, err := a.Open(args[0])
		if err != nil {
			return err
		}
		defer in.Close()
		at := a.StateFile(dir, "")
		if err := settings.EnsureState(at); err != nil {
			return err
		}
		s, err := state.Open(at)
		if err != nil {
			return command.Fail(command.Failed, "stop it first: systemctl stop topicd", "%w uses %s", err, at)
		}
		defer s.Close()
		to := filepath.Join(at, "store")
		err = store.Restore(to, in)
		if errors.Is(err, store.ErrNotEmpty) {
			return command.Fail(command.Failed, "move "+to+" away first, or name another directory with --state", "%s has durable topics already", at)
		}
		return err
	}
	return c
}
