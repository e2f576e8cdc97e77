package flags

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/BurntSushi/toml"
	"github.com/spf13/pflag"
)

// File takes from the text of the file name what neither the command line nor the
// environment gave. An error has file, line and key.
func (s *Set) File(name, text string) error {
	var top map[string]toml.Primitive
	md, err := toml.Decode(text, &top)
	f := file{s, md}
	s.said = map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(top)) {
		if err == nil {
			err = f.key(key, top[key])
		}
	}
	var p toml.ParseError
	switch {
	case !errors.As(err, &p) && err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case err != nil && p.LastKey == "":
		return fmt.Errorf("%s:%d: %s", name, p.Position.Line, p.Message)
	case err != nil:
		return fmt.Errorf("%s:%d: %s: %s", name, p.Position.Line, p.LastKey, p.Message)
	}
	return nil
}

// setter takes one value of the file; its error gets the line and the key.
type setter func(any) error

// UnmarshalTOML implements toml.Unmarshaler.
func (s setter) UnmarshalTOML(v any) error { return s(v) }

func refuse(err error) setter { return func(any) error { return err } }

type file struct {
	*Set
	md toml.MetaData
}

// key takes one key at the top of the file.
func (f *file) key(key string, p toml.Primitive) error {
	named, kind := f.Named[key]
	t, isTable := f.tables[key]
	switch {
	case f.Elsewhere[key] != "":
		return f.md.PrimitiveDecode(p, refuse(errors.New(f.Elsewhere[key])))
	case kind:
		return f.members(p, func(name string, p toml.Primitive) error {
			fs, err := named(name)
			if err != nil {
				return f.md.PrimitiveDecode(p, refuse(err))
			}
			return f.members(p, func(name string, p toml.Primitive) error { return f.md.PrimitiveDecode(p, into(fs, name)) })
		})
	case isTable && key != "":
		return f.members(p, func(name string, p toml.Primitive) error {
			flag := t.prefix + name
			if t.url && name == "url" {
				flag = t.prefix[:len(t.prefix)-1]
			}
			return f.md.PrimitiveDecode(p, into(t.flags, flag))
		})
	}
	f.said[key] = true
	return f.md.PrimitiveDecode(p, into(f.tables[""].flags, key))
}

// members hands on each member of a table, by name.
func (f *file) members(p toml.Primitive, member func(string, toml.Primitive) error) error {
	var t map[string]toml.Primitive
	err := f.md.PrimitiveDecode(p, setter(func(v any) error {
		if _, ok := v.(map[string]any); !ok {
			return errors.New("must be a table")
		}
		return nil
	}))
	if err == nil {
		err = f.md.PrimitiveDecode(p, &t)
	}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if err == nil {
			err = member(name, t[name])
		}
	}
	return err
}

// into sets a flag that was not given otherwise.
func into(fs *pflag.FlagSet, name string) setter {
	return func(v any) error {
		f := fs.Lookup(name)
		if f == nil || name == "help" {
			return errors.New("no such setting")
		}
		if f.Changed {
			return nil
		}
		var values []string
		_, isList := f.Value.(*List)
		switch v := v.(type) {
		case string, int64, float64, bool:
			return f.Value.Set(fmt.Sprint(v))
		case []any:
			for _, e := range v {
				values = append(values, fmt.Sprint(e))
			}
		case []map[string]any: // [[listen]]
			for _, t := range v {
				values = append(values, joined(t))
			}
		default:
			return errors.New("is a string, a number or true or false")
		}
		if !isList {
			return errors.New("is one value, not a list")
		}
		for _, text := range values {
			if err := f.Value.Set(text); err != nil {
				return err
			}
		}
		return nil
	}
}

// joined writes a table as the flag has it: addr = "A", dialect = "d" is A,dialect=d.
func joined(t map[string]any) string {
	text := fmt.Sprint(t["addr"])
	for _, k := range slices.Sorted(maps.Keys(t)) {
		if k != "addr" {
			text += fmt.Sprintf(",%s=%v", k, t[k])
		}
	}
	return text
}
