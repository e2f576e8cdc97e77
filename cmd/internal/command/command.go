// Package command has what the commands of a program share: the table of them with its
// help, completion and manual page, their surroundings, and how they fail.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"topicd/cmd/internal/flags"

	"github.com/spf13/pflag"
)

// Command is one subcommand. A table of them over pflag is all the framework
// this program needs: cobra would add 524,288 bytes to the armv6 binary
// (measured by linking both), most of it regexp, templates and scripts.
type Command struct {
	Name    string
	Args    string // as the usage line shows them
	Short   string
	Long    string
	Example string
	Min     int // arguments
	Max     int // -1 = any number
	Words   []string
	// Negative: an argument such as -5 is a reading, not flags.
	Negative bool
	Run      func(ctx context.Context, args []string) error
	Flags    *pflag.FlagSet
}

// New is a command without flags and arguments so far.
func New(name, args, short string) *Command {
	c := &Command{Name: name, Args: args, Short: short, Flags: pflag.NewFlagSet(name, pflag.ContinueOnError)}
	c.Flags.SortFlags = false
	c.Flags.Usage = func() {}
	return c
}

// Table are the commands of topicd. Each is made when it is looked at: the flags of
// all would be half a millisecond of a start.
type Table struct {
	Out  io.Writer
	make []func() *Command
}

// NewTable adds those that every table has. The first is found first.
func NewTable(out io.Writer, commands ...func() *Command) *Table {
	t := &Table{Out: out}
	t.make = append(append(commands, t.completion, t.help), t.extra()...)
	return t
}

// All yields the commands.
func (t *Table) All(yield func(*Command) bool) {
	for _, c := range t.make {
		if !yield(c()) {
			return
		}
	}
}

// program is what is true of all commands.
const program = `A hub for sensor readings on a gateway, and the tools to speak to one.`

// ExitCodes are what the help says of them.
const ExitCodes = `Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 3 no hub
reached, 4 not allowed, 5 --timeout passed first, 130 interrupted.`

// Execute runs the command that args name.
func (t *Table) Execute(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return t.usage("")
	}
	name, rest := args[0], args[1:]
	switch name {
	case "-h", "--help":
		return t.usage("")
	case "--version":
		name = "version"
	}
	c, err := t.find(name)
	if err != nil {
		return err
	}
	if c.Negative {
		for i, arg := range rest {
			if _, err := strconv.ParseFloat(arg, 64); err == nil && arg[0] == '-' {
				rest[i] = "\x00" + arg
			}
		}
	}
	switch err := c.Flags.Parse(rest); {
	case errors.Is(err, pflag.ErrHelp):
		return t.usage(c.Name)
	case err != nil:
		return Fail(Usage, "topicd "+c.Name+" --help lists the flags", "%s", plainly(err))
	}
	rest = c.Flags.Args()
	for i, arg := range rest {
		rest[i] = strings.TrimPrefix(arg, "\x00")
	}
	if err := c.check(rest); err != nil {
		return Fail(Usage, "usage: "+c.usageLine(), "%w", err)
	}
	return c.Run(ctx, rest)
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
func (t *Table) find(name string) (*Command, error) {
	near := ""
	for c := range t.All {
		if c.Name == name {
			return c, nil
		}
		if d := flags.Distance(c.Name, name); d == 1 || d == 2 && name != "" && c.Name[0] == name[0] {
			near = c.Name
		}
	}
	hint := "topicd help lists the commands"
	if near != "" {
		hint = "did you mean topicd " + near + "?"
	}
	return nil, Fail(Usage, hint, "unknown command %q", name)
}

func (c *Command) check(args []string) error {
	switch n := len(args); {
	case n < c.Min && c.Max == c.Min:
		return fmt.Errorf("%s wants %s", c.Name, c.Args)
	case n < c.Min:
		return fmt.Errorf("%s wants at least %s", c.Name, c.Args)
	case c.Max >= 0 && n > c.Max:
		return fmt.Errorf("%s does not want %q", c.Name, args[c.Max])
	}
	if c.Words != nil && len(args) > 0 && !slices.Contains(c.Words, args[0]) {
		return fmt.Errorf("%q is none of %s", args[0], strings.Join(c.Words, ", "))
	}
	return nil
}

func (c *Command) usageLine() string {
	line := "topicd " + c.Name
	if c.Args != "" {
		line += " " + c.Args
	}
	if c.Flags.HasFlags() {
		line += " [flags]"
	}
	return line
}

// usage prints what a command is for, "" for all of them.
func (t *Table) usage(name string) error {
	var b strings.Builder
	if name == "" {
		b.WriteString(program + "\n\nCommands:\n")
		for c := range t.All {
			fmt.Fprintf(&b, "  %-16s %s\n", c.Name, c.Short)
		}
		b.WriteString("\ntopicd help COMMAND says more.\n\n" + ExitCodes + "\n")
		_, err := fmt.Fprint(t.Out, b.String())
		return err
	}
	c, err := t.find(name)
	if err != nil {
		return err
	}
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	fmt.Fprintf(&b, "%s\n\nUsage:\n  %s\n", text, c.usageLine())
	if c.Example != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", c.Example)
	}
	if c.Flags.HasFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", c.Flags.FlagUsagesWrapped(100))
	}
	_, err = fmt.Fprint(t.Out, b.String())
	return err
}

func (t *Table) help() *Command {
	c := New("help", "[COMMAND]", "Say what a command is for")
	c.Max = 1
	c.Run = func(_ context.Context, args []string) error { return t.usage(strings.Join(args, "")) }
	return c
}
