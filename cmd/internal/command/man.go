//go:build packaging

package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// man writes the manual page from the help texts. It is in no binary but the one
// that makes the packages: go run -tags packaging ./cmd/topicd man.
func (t *Table) man() *Command {
	c := New("man", "", "Write the manual page")
	c.Run = func(context.Context, []string) error {
		var b strings.Builder
		fmt.Fprintf(&b, ".TH TOPICD 1 \"\" \"topicd\" \"User Commands\"\n.SH NAME\ntopicd \\- hub for sensor readings\n.SH SYNOPSIS\n.B topicd\n.I COMMAND\n[flags]\n.SH DESCRIPTION\n%s\n.SH COMMANDS\n", roff(program))
		for c := range t.All {
			if c.Name != "man" {
				manCommand(&b, c)
			}
		}
		fmt.Fprintf(&b, ".SH EXIT STATUS\n%s\n", roff(ExitCodes))
		b.WriteString(`.SH FILES
.TP
.I /etc/topicd/topicd.toml
configuration of the service
.TP
.I /var/lib/topicd
state of the service: admin token, certificate, static topics, durable topics
.SH ENVIRONMENT
Each flag of
.B serve
is also a variable: \-\-topic\-cap is TOPICD_TOPIC_CAP. TOPICD_HUB names the hub of all other commands, TOPICD_TOKEN is their token. NO_COLOR keeps colours away.
.SH SEE ALSO
.BR systemctl (1),
/usr/share/doc/topicd
`)
		_, err := fmt.Fprint(t.Out, b.String())
		return err
	}
	return c
}

func manCommand(b *strings.Builder, c *Command) {
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	fmt.Fprintf(b, ".SS %s\n%s\n", roff(c.usageLine()), roff(text))
	if c.Example != "" {
		fmt.Fprintf(b, ".PP\n.nf\n%s\n.fi\n", roff(c.Example))
	}
	c.Flags.VisitAll(func(f *pflag.Flag) {
		name, usage := pflag.UnquoteUsage(f)
		line := "--" + f.Name
		if name != "" {
			line += " " + name
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(line), roff(usage))
	})
}

// roff escapes what troff would take for its own.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "°", `\(de`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

func (t *Table) extra() []func() *Command { return []func() *Command{t.man} }
