package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

func (a *app) completion() *command {
	c := newCommand("completion", "bash|zsh|fish", "Print a script that completes topicd's commands and flags in a shell")
	c.min, c.max, c.words = 1, 1, []string{"bash", "zsh", "fish"}
	c.example = `  . <(topicd completion bash)
  topicd completion fish > ~/.config/fish/completions/topicd.fish`
	c.run = func(_ context.Context, args []string) error {
		script := a.completeBash()
		switch args[0] {
		case "zsh":
			script = "autoload -U +X bashcompinit && bashcompinit\n" + script
		case "fish":
			script = a.completeFish()
		}
		_, err := fmt.Fprint(a.out, script)
		return err
	}
	return c
}

func (a *app) completeBash() string {
	var b, names strings.Builder
	for _, c := range a.commands() {
		names.WriteString(" " + c.name)
		if c.name == "help" {
			continue // its arguments are the commands
		}
		words := c.words
		c.flags.VisitAll(func(f *pflag.Flag) { words = append(words, "--"+f.Name) })
		fmt.Fprintf(&b, "    %s) words=%q ;;\n", c.name, strings.Join(append(words, "--help"), " "))
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

func (a *app) completeFish() string {
	var b strings.Builder
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `\'`) + "'" }
	for _, c := range a.commands() {
		fmt.Fprintf(&b, "complete -c topicd -n __fish_use_subcommand -a %s -d %s\n", c.name, quote(c.short))
		on := fmt.Sprintf("-n '__fish_seen_subcommand_from %s'", c.name)
		for _, w := range c.words {
			fmt.Fprintf(&b, "complete -c topicd %s -a %s\n", on, w)
		}
		c.flags.VisitAll(func(f *pflag.Flag) {
			fmt.Fprintf(&b, "complete -c topicd %s -l %s -d %s\n", on, f.Name, quote(f.Usage))
		})
	}
	return b.String()
}
