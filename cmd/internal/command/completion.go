package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

func (t *Table) completion() *Command {
	c := New("completion", "bash|zsh|fish", "Print a script that completes topicd's commands and flags in a shell")
	c.Min, c.Max, c.Words = 1, 1, []string{"bash", "zsh", "fish"}
	c.Example = `  . <(topicd completion bash)
  topicd completion fish > ~/.config/fish/completions/topicd.fish`
	c.Run = func(_ context.Context, args []string) error {
		script := t.completeBash()
		switch args[0] {
		case "zsh":
			script = "autoload -U +X bashcompinit && bashcompinit\n" + script
		case "fish":
			script = t.completeFish()
		}
		_, err := fmt.Fprint(t.Out, script)
		return err
	}
	return c
}

func (t *Table) completeBash() string {
	var b, names strings.Builder
	for c := range t.All {
		names.WriteString(" " + c.Name)
		if c.Name == "help" {
			continue // its arguments are the commands
		}
		words := c.Words
		c.Flags.VisitAll(func(f *pflag.Flag) { words = append(words, "--"+f.Name) })
		fmt.Fprintf(&b, "    %s) words=%q ;;\n", c.Name, strings.Join(append(words, "--help"), " "))
	}
	return fmt.Sprintf(`_topicd() {
  local words="%s"
  case "${COMP_WORDS[1]}" in
    help) ;;
    "${COMP_WORDS[COMP_CWORD]}") [ "$COMP_CWORD" -gt 1 ] && words="" ;;
%s  esac
  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _topicd topicd
`, strings.TrimSpace(names.String()), b.String())
}

func (t *Table) completeFish() string {
	var b strings.Builder
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `\'`) + "'" }
	for c := range t.All {
		fmt.Fprintf(&b, "complete -c topicd -n __fish_use_subcommand -a %s -d %s\n", c.Name, quote(c.Short))
		on := fmt.Sprintf("-n '__fish_seen_subcommand_from %s'", c.Name)
		for _, w := range c.Words {
			fmt.Fprintf(&b, "complete -c topicd %s -a %s\n", on, w)
		}
		c.Flags.VisitAll(func(f *pflag.Flag) {
			fmt.Fprintf(&b, "complete -c topicd %s -l %s -d %s\n", on, f.Name, quote(f.Usage))
		})
	}
	return b.String()
}
