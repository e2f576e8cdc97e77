package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// command is one subcommand. A table of them over pflag is all the framework
// this program needs: cobra would add 524,288 bytes to the armv6 binary
// (measured by linking both), most of it regexp, templates and scripts.
type command struct {
	name    string
	args    string // as the usage line shows them
	short   string
	long    string
	example string
	min     int // arguments
	max     int // -1 = any number
	words   []string
	// negative: an argument such as -5 is a reading, not flags
	negative bool
	run      func(ctx context.Context, args []string) error
	flags    *pflag.FlagSet
}

func newCommand(name, args, short string) *command {
	c := &command{name: name, args: args, short: short, flags: pflag.NewFlagSet(name, pflag.ContinueOnError)}
	c.flags.SortFlags = false
	c.flags.Usage = func() {}
	return c
}

// program is what is true of all commands.
const program = `A hub for sensor readings on a gateway, and the tools to speak to one.`

const exitCodes = `Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 3 no hub
reached, 4 not allowed, 5 --timeout passed first, 130 interrupted.`

func (a *app) commands() []*command {
	return append([]*command{
		a.serve(), a.pub(), a.sub(), a.get(), a.list(), a.token(), a.join(), a.discover(), a.bench(), a.sense(), a.importTopics(), a.importMosquitto(),
		a.record(), a.replay(), a.top(), a.doctor(), a.status(), a.logStore(), a.backup(), a.restore(), a.configuration(), a.service(), a.health(),
		a.version(), a.completion(), a.help(),
	}, a.extra()...)
}

// execute runs the command that args name.
func (a *app) execute(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return a.usage("")
	}
	name, rest := args[0], args[1:]
	switch name {
	case "-h", "--help":
		return a.usage("")
	case "--version":
		name = "version"
	}
	c, err := a.find(name)
	if err != nil {
		return err
	}
	if c.negative {
		for i, arg := range rest {
			if _, err := strconv.ParseFloat(arg, 64); err == nil && arg[0] == '-' {
				rest[i] = "\x00" + arg
			}
		}
	}
	switch err := c.flags.Parse(rest); {
	case errors.Is(err, pflag.ErrHelp):
		return a.usage(c.name)
	case err != nil:
		return fail(exitUsage, "topicd "+c.name+" --help lists the flags", "%s", plainly(err))
	}
	rest = c.flags.Args()
	for i, arg := range rest {
		rest[i] = strings.TrimPrefix(arg, "\x00")
	}
	if err := c.check(rest); err != nil {
		return fail(exitUsage, "usage: "+c.usageLine(), "%w", err)
	}
	return c.run(ctx, rest)
}

// plainly says of a value what it is not, where the flags' own package shows the
// error of Go's parser.
func plainly(err error) string {
	text := err.Error()
	at := strings.Index(text, "strconv.Parse")
	if at < 0 {
		return text
	}
	what := "a whole number"
	if strings.HasPrefix(text[at:], "strconv.ParseFloat") {
		what = "a number"
	} else if strings.HasPrefix(text[at:], "strconv.ParseBool") {
		what = "true or false"
	}
	if strings.HasSuffix(text, strconv.ErrRange.Error()) {
		what += " of a size that fits"
	}
	return text[:at] + "that is not " + what
}

// find is the command of that name. A near miss is told.
func (a *app) find(name string) (*command, error) {
	near := ""
	for _, c := range a.commands() {
		if c.name == name {
			return c, nil
		}
		if d := distance(c.name, name); d == 1 || d == 2 && name != "" && c.name[0] == name[0] {
			near = c.name
		}
	}
	hint := "topicd help lists the commands"
	if near != "" {
		hint = "did you mean topicd " + near + "?"
	}
	return nil, fail(exitUsage, hint, "unknown command %q", name)
}

func (c *command) check(args []string) error {
	switch n := len(args); {
	case n < c.min && c.max == c.min:
		return fmt.Errorf("%s wants %s", c.name, c.args)
	case n < c.min:
		return fmt.Errorf("%s wants at least %s", c.name, c.args)
	case c.max >= 0 && n > c.max:
		return fmt.Errorf("%s does not want %q", c.name, args[c.max])
	}
	if c.words != nil && len(args) > 0 && !slices.Contains(c.words, args[0]) {
		return fmt.Errorf("%q is none of %s", args[0], strings.Join(c.words, ", "))
	}
	return nil
}

func (c *command) usageLine() string {
	line := "topicd " + c.name
	if c.args != "" {
		line += " " + c.args
	}
	if c.flags.HasFlags() {
		line += " [flags]"
	}
	return line
}

// usage prints what a command is for, "" for all of them.
func (a *app) usage(name string) error {
	var b strings.Builder
	if name == "" {
		b.WriteString(program + "\n\nCommands:\n")
		for _, c := range a.commands() {
			fmt.Fprintf(&b, "  %-16s %s\n", c.name, c.short)
		}
		b.WriteString("\ntopicd help COMMAND says more.\n\n" + exitCodes + "\n")
		_, err := fmt.Fprint(a.out, b.String())
		return err
	}
	c, err := a.find(name)
	if err != nil {
		return err
	}
	text := c.long
	if text == "" {
		text = c.short + "."
	}
	fmt.Fprintf(&b, "%s\n\nUsage:\n  %s\n", text, c.usageLine())
	if c.example != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", c.example)
	}
	if c.flags.HasFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", c.flags.FlagUsagesWrapped(100))
	}
	_, err = fmt.Fprint(a.out, b.String())
	return err
}

func (a *app) help() *command {
	c := newCommand("help", "[COMMAND]", "Say what a command is for")
	c.max = 1
	c.run = func(_ context.Context, args []string) error { return a.usage(strings.Join(args, "")) }
	return c
}

// distance is the number of letters to change to make a from b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
