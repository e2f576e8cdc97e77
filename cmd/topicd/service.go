package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

// service is a service manager: how a board shows that it has it, and what it is
// told, by file.
type service struct {
	name, mark string
	files      map[string]string
	start      string // what the administrator types then
}

func services() []service {
	return []service{
		{"systemd", "/run/systemd/system", map[string]string{
			"/etc/systemd/system/topicd.service": systemdUnit, "/etc/systemd/system/topicd.socket": systemdSocket,
			"/etc/sysusers.d/topicd.conf": "u topicd - \"hub for sensor readings\" /var/lib/topicd\n",
		}, "systemd-sysusers && systemctl daemon-reload && systemctl enable --now topicd"},
		{"procd", "/etc/openwrt_release", map[string]string{"/etc/init.d/topicd": procdScript},
			"echo topicd:x:5222:5222::/var/run:/bin/false >>/etc/passwd; echo topicd:x:5222: >>/etc/group; /etc/init.d/topicd enable && /etc/init.d/topicd start"},
		{"openrc", "/sbin/openrc-run", map[string]string{"/etc/init.d/topicd": openrcScript},
			"addgroup -S topicd; adduser -S -D -H -h /var/lib/topicd -G topicd topicd; rc-update add topicd && rc-service topicd start"},
	}
}

// serviceJob is what service has to do.
type serviceJob struct {
	app                             *app
	manager, root, binary, settings string
	memory                          int64 // MiB
}

func (a *app) service() *command {
	j := &serviceJob{app: a}
	c := newCommand("service", "install|show", "Have the hub started at boot on a board without packages, or show what that writes")
	c.long = `install writes what the board's service manager needs to run the hub, copies this
program to /usr/local/bin and says which line makes the user topicd and starts it;
show prints the files. The memory that the service may take is the worst case of the settings in
the environment and in --config.`
	c.example = "  sudo topicd service install\n  topicd service show --manager openrc"
	c.min, c.max, c.words = 1, 1, []string{"install", "show"}
	c.flags.Var(choice{&j.manager, "|systemd|openrc|procd"}, "manager", "systemd, openrc or procd (default what the board has)")
	c.flags.StringVar(&j.root, "root", "/", "`DIR` of the board's file system, of an image say; nothing is copied or made but the files")
	c.flags.StringVar(&j.binary, "binary", "/usr/local/bin/topicd", "`FILE` where the program is to be")
	c.flags.StringVar(&j.settings, "config", "", "configuration `FILE` of the hub (default topicd.toml in its state directory)")
	c.run = func(_ context.Context, args []string) error {
		s, err := j.choose()
		if err != nil {
			return err
		}
		at := ""
		if j.settings != "" {
			at = filepath.Join(j.root, j.settings)
		}
		set, _, err := a.effective(at, false)
		if err != nil {
			return err
		}
		j.memory = memoryMax(set)
		if args[0] == "show" {
			return j.show(s)
		}
		return j.install(s)
	}
	return c
}

// choose is the board's service manager.
func (j *serviceJob) choose() (service, error) {
	for _, s := range services() {
		_, err := os.Stat(filepath.Join(j.root, s.mark))
		if j.manager == s.name || j.manager == "" && err == nil {
			return s, nil
		}
	}
	return service{}, fail(exitFailed, "--manager systemd, openrc or procd chooses one", "this board shows no service manager that is known")
}

// filled is a file with this board's names in it.
func (j *serviceJob) filled(text string) string {
	config := ""
	if j.settings != "" {
		config = " --config " + j.settings
	}
	return strings.NewReplacer("@BIN@", j.binary, "@CONFIG@", config, "@MEMORY@", strconv.FormatInt(j.memory, 10)).Replace(text)
}

func (j *serviceJob) show(s service) error {
	for i, name := range slices.Sorted(maps.Keys(s.files)) {
		if i > 0 {
			fmt.Fprintln(j.app.out)
		}
		if len(s.files) > 1 {
			fmt.Fprintf(j.app.out, "# %s\n", name)
		}
		if _, err := io.WriteString(j.app.out, j.filled(s.files[name])); err != nil {
			return err
		}
	}
	return nil
}

func (j *serviceJob) install(s service) error {
	here := filepath.Clean(j.root) == "/"
	if here {
		if os.Geteuid() != 0 {
			return fail(exitForbidden, "sudo topicd service install", "only root can install a service")
		}
		if err := j.copySelf(); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(name, "/etc/init.d/") {
			mode = 0o755
		}
		if err := place(filepath.Join(j.root, name), strings.NewReader(j.filled(s.files[name])), mode); err != nil {
			return err
		}
		fmt.Fprintln(j.app.out, "wrote", name)
	}
	if here {
		fmt.Fprintln(j.app.out, "start it with:", s.start)
	}
	return nil
}

// place writes a file beside its place and moves it there: one that runs is not
// written over.
func place(name string, from io.Reader, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

func (j *serviceJob) copySelf() error {
	self, err := os.Executable()
	if err != nil || self == j.binary {
		return err
	}
	f, err := os.Open(self)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := place(j.binary, f, 0o755); err != nil {
		return err
	}
	fmt.Fprintln(j.app.out, "copied", self, "to", j.binary)
	return nil
}
