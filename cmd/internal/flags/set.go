package flags

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Set are the settings of a program. Each is a flag, a variable of the environment
// (--topic-cap is PREFIX_TOPIC_CAP) and a key of the file, at its top or in a table.
type Set struct {
	All    *pflag.FlagSet
	Prefix string // of variables

	// Named makes the flags of one of a kind of tables by its name: [topic."a/b"].
	Named map[string]func(name string) (*pflag.FlagSet, error)
	// Elsewhere says of some flags why they are not in the file.
	Elsewhere map[string]string

	said   map[string]bool // keys at the file's top
	tables map[string]table
}

// table is where the file has some flags: those of [join] without join- there. Where
// url is true, one flag is the prefix itself, and called url there.
type table struct {
	prefix string
	flags  *pflag.FlagSet
	url    bool
}

// Add adds the flags that fill defines, as they are in the file's table of that name, ""
// for its top.
func (s *Set) Add(name, prefix string, fill func(*pflag.FlagSet)) {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.SortFlags = false
	fill(fs)
	s.All.AddFlagSet(fs)
	if s.tables == nil {
		s.tables = map[string]table{}
	}
	s.tables[name] = table{prefix, fs, prefix != "" && fs.Lookup(strings.TrimSuffix(prefix, "-")) != nil}
}

// Table are the flags that the file has in a table, and what they begin with.
func (s *Set) Table(name string) (fs *pflag.FlagSet, prefix string) {
	return s.tables[name].flags, s.tables[name].prefix
}

// Given tells whether a flag, its variable or the top of the file has set a flag.
func (s *Set) Given(name string) bool { return s.All.Changed(name) || s.said[name] }

// Variable is the environment's name of a flag.
func (s *Set) Variable(flag string) string {
	return s.Prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Env sets what the command line left alone. Lists are separated by white space.
func (s *Set) Env(getenv func(string) string) (err error) {
	s.All.VisitAll(func(f *pflag.Flag) {
		name := s.Variable(f.Name)
		v := getenv(name)
		if v == "" || f.Changed {
			return
		}
		values := []string{v}
		if _, ok := f.Value.(*List); ok {
			values = strings.Fields(v)
		}
		for _, v := range values {
			if bad := s.All.Set(f.Name, v); bad != nil && err == nil {
				err = fmt.Errorf("%s: %w", name, bad)
			}
		}
	})
	return err
}

// Strangers are variables of the environment that look like a setting and are none,
// each with the nearest that is: who misspells one must not believe that it holds.
func (s *Set) Strangers(environ []string, known ...string) (names, near []string) {
	s.All.VisitAll(func(f *pflag.Flag) { known = append(known, s.Variable(f.Name)) })
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, s.Prefix) || slices.Contains(known, name) {
			continue
		}
		names = append(names, name)
		near = append(near, slices.MinFunc(known, func(a, b string) int { return Distance(a, name) - Distance(b, name) }))
	}
	return names, near
}

// Setting is one setting as it holds, and who said so.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"` // env, file or default
}

// Effective are all settings after load has loaded them.
func (s *Set) Effective(load func() error) (list []Setting, err error) {
	before := map[string]string{}
	s.All.VisitAll(func(f *pflag.Flag) { before[f.Name] = f.Value.String() })
	if err := load(); err != nil {
		return nil, err
	}
	s.All.VisitAll(func(f *pflag.Flag) {
		from := "default"
		switch v := f.Value.String(); {
		case f.Changed:
			from = "env"
		case v != before[f.Name] && s.Elsewhere[f.Name] == "":
			from = "file"
		}
		list = append(list, Setting{f.Name, f.Value.String(), from})
	})
	return list, nil
}

// Distance is the number of letters to change to make a from b (Levenshtein).
func Distance(a, b string) int {
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
