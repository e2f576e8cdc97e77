package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"topicd/cmd/internal/command"
	"topicd/cmd/internal/flags"
	"topicd/node/supervisor"
)

// What service managers are told. The packages are made of the same files.
var (
	//go:embed packaging/topicd.service
	systemdUnit string
	//go:embed packaging/topicd.socket
	systemdSocket string
	//go:embed packaging/topicd.openrc
	openrcScript string
	//go:embed packaging/topicd.procd
	procdScript string
)

func services() []supervisor.Service {
	return []supervisor.Service{
		{Name: "systemd", Mark: "/run/systemd/system", Files: map[string]string{
			"/etc/systemd/system/topicd.service": systemdUnit, "/etc/systemd/system/topicd.socket": systemdSocket,
			"/etc/sysusers.d/topicd.conf": "u topicd - \"hub for sensor readings\" /var/lib/topicd\n",
		}, Start: "systemd-sysusers && systemctl daemon-reload && systemctl enable --now topicd"},
		{Name: "procd", Mark: "/etc/openwrt_release", Files: map[string]string{
			"/etc/init.d/topicd": procdScript, "/lib/upgrade/keep.d/topicd": "/etc/topicd/\n/etc/init.d/topicd\n/etc/rc.d/S95topicd\n@BIN@\n",
		}, Start: "{ grep -q ^topicd: /etc/passwd || { echo topicd:x:5222:5222::/var/run:/bin/false >>/etc/passwd; echo topicd:x:5222: >>/etc/group; }; } && /etc/init.d/topicd enable && /etc/init.d/topicd start"},
		{Name: "openrc", Mark: "/sbin/openrc-run", Files: map[string]string{"/etc/init.d/topicd": openrcScript},
			Start: "addgroup -S topicd; adduser -S -D -H -h /var/lib/topicd -G topicd topicd; rc-update add topicd && rc-service topicd start"},
	}
}

func (a *app) service() *command.Command {
	var board supervisor.Board
	var manager string
	c := command.New("service", "install|show", "Have the hub started at boot on a board without packages, or show what that writes")
	c.Long = `install writes what the board's service manager needs to run the hub, copies this
program to /usr/local/bin and says which line makes the user topicd and starts it;
show prints the files. The memory that the service may take is the worst case of the settings in
the environment and in --config.`
	c.Example = "  sudo topicd service install\n  topicd service show --manager openrc"
	c.Min, c.Max, c.Words = 1, 1, []string{"install", "show"}
	c.Flags.Var(flags.Choice(&manager, "|systemd|openrc|procd"), "manager", "systemd, openrc or procd (default what the board has)")
	c.Flags.StringVar(&board.Root, "root", "/", "`DIR` of the board's file system, of an image say; nothing is copied or made but the files")
	c.Flags.StringVar(&board.Binary, "binary", "/usr/local/bin/topicd", "`FILE` where the program is to be")
	c.Flags.StringVar(&board.Config, "config", "", "configuration `FILE` of the hub (default topicd.toml in its state directory)")
	c.Run = func(_ context.Context, args []string) error {
		s, ok := board.Choose(services(), manager)
		if !ok {
			return command.Fail(command.Failed, "--manager systemd, openrc or procd chooses one", "this board shows no service manager that is known")
		}
		at := ""
		if board.Config != "" {
			at = filepath.Join(board.Root, board.Config)
		}
		set := newSettings()
		_, err := set.Effective(at, func(name string) string {
			if strings.HasPrefix(name, "TOPICD_") && name != "TOPICD_STATE" {
				return "" // of who installs it
			}
			return a.Getenv(name)
		})
		if err != nil {
			return err
		}
		board.Memory = set.MemoryMax()
		if args[0] == "show" {
			return a.showService(&board, s)
		}
		if filepath.Clean(board.Root) == "/" && os.Geteuid() != 0 {
			return command.Fail(command.Forbidden, "sudo topicd service install", "only root can install a service")
		}
		return board.Install(s, func(words ...any) { fmt.Fprintln(a.Out, words...) })
	}
	return c
}

func (a *app) showService(b *supervisor.Board, s supervisor.Service) error {
	between := ""
	return b.Each(s, func(path, text string) error {
		if len(s.Files) > 1 {
			text = between + "# " + path + "\n" + text
		}
		between = "\n"
		_, err := io.WriteString(a.Out, text)
		return err
	})
}
