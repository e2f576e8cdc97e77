package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/BurntSushi/toml"
	"github.com/spf13/pflag"

	"topicd/codec"
)

//go:embed topicd.toml
var configText []byte

// load completes the settings from the environment and the file.
func (s *settings) load(flags *pflag.FlagSet, getenv func(string) string, root bool) error {
	if err := s.env(flags, getenv); err != nil {
		return err
	}
	if err := s.mws.env(flags, getenv); err != nil {
		return err
	}
	if s.state == "" {
		s.state = stateDir(getenv, root)
	}
	if !s.reading {
		if err := ensureState(s.state); err != nil {
			return err
		}
	}
	named := s.config != ""
	if !named {
		s.config = filepath.Join(s.state, "topicd.toml")
	}
	text, err := os.ReadFile(s.config)
	switch missing := errors.Is(err, fs.ErrNotExist) && !named; {
	case missing && s.reading:
		err = nil
	case missing:
		// O_EXCL: of two hubs that start at once only one writes it.
		var f *os.File
		if f, err = os.OpenFile(s.config, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			_, err = f.Write(configText)
			err = errors.Join(err, f.Close())
		}
		text = configText
	}
	if err != nil {
		hint := "choose another directory with --state DIR"
		if named {
			hint = "without --config it is STATE/topicd.toml, which is written at the first start"
		}
		return fail(exitUsage, hint, "configuration: %w", err)
	}
	// Once for practice, so that a mistake shows even where a flag overrides it.
	practice := newSettings()
	practice.flags(pflag.NewFlagSet("practice", pflag.ContinueOnError))
	practice.config = s.config
	if err := practice.file(string(text)); err != nil {
		return err
	}
	if err := s.file(string(text)); err != nil {
		return err
	}
	if s.limits == "bench" {
		s.bench()
	}
	s.adminToken = getenv("TOPICD_ADMIN_TOKEN")
	if s.adminToken == "" {
		s.adminToken = getenv("SECURITY_TOKEN") // as Managed WebSocket has it
	}
	return s.check()
}

// setter takes one value of the file; its error gets the line and the key.
type setter func(any) error

// UnmarshalTOML implements toml.Unmarshaler.
func (s setter) UnmarshalTOML(v any) error { return s(v) }

type table = map[string]toml.Primitive

// file takes the settings that neither the command line nor the environment
// gave. Its keys are the flags, [limits], [join], [eds], [store], [mqtt], [uplink], [center] and
// one [topic."NAME"] per static topic.
func (s *settings) file(text string) error {
	var top table
	md, err := toml.Decode(text, &top)
	if err != nil {
		return s.bad(err)
	}
	part := func(fs *pflag.FlagSet, prefix string) func(string, toml.Primitive) error {
		return func(name string, p toml.Primitive) error {
			return md.PrimitiveDecode(p, flagSetter(fs, prefix+name))
		}
	}
	s.said = map[string]bool{}
	for _, key := range keys(top) {
		switch key {
		case "limits":
			err = tableInto(md, top[key], part(s.sets.limits, ""))
		case "join":
			err = tableInto(md, top[key], part(s.sets.join, "join-"))
		case "eds":
			err = tableInto(md, top[key], part(s.sets.eds, "eds-"))
		case "store":
			err = tableInto(md, top[key], part(s.sets.store, "store-"))
		case "mqtt":
			err = tableInto(md, top[key], part(s.sets.mqtt, "mqtt-"))
		case "uplink":
			err = tableInto(md, top[key], servers(part, s.sets.uplink, "uplink"))
		case "center":
			err = tableInto(md, top[key], servers(part, s.sets.center, "from-nats"))
		case "topic":
			err = tableInto(md, top[key], func(name string, p toml.Primitive) error {
				return s.topicTable(md, name, p)
			})
		case "state", "config":
			err = md.PrimitiveDecode(top[key], setter(func(any) error {
				return errors.New("belongs on the command line: this file is looked for there")
			}))
		default:
			s.said[key] = true
			err = part(s.sets.top, "")(key, top[key])
		}
		if err != nil {
			return s.bad(err)
		}
	}
	return nil
}

// servers: the flag of a table's url is the table's own.
func servers(part func(*pflag.FlagSet, string) func(string, toml.Primitive) error, fs *pflag.FlagSet, flag string) func(string, toml.Primitive) error {
	url, others := part(fs, flag), part(fs, flag+"-")
	return func(name string, p toml.Primitive) error {
		if name == "url" {
			return url("", p)
		}
		return others(name, p)
	}
}

// topicTable takes the declaration of one static topic.
func (s *settings) topicTable(md toml.MetaData, name string, p toml.Primitive) error {
	if bad := codec.CheckTopic([]byte(name)); bad != nil {
		return md.PrimitiveDecode(p, setter(func(any) error { return errors.New(bad.Msg) }))
	}
	t := &topicSetting{}
	fs := pflag.NewFlagSet("topic", pflag.ContinueOnError)
	fs.Var(&t.cap, "cap", "bytes that it may hold")
	fs.Var(span{&t.stale}, "stale", "without a reading for so long it is stale")
	fs.Var(&t.durable, "durable", "it is kept on disk")
	fs.Var(&t.writable, "writable", "it is a set-point, which Home Assistant may set")
	fs.Float64Var(&t.min, "min", 0, "the least that it is set to")
	fs.Float64Var(&t.max, "max", 0, "the most")
	s.static[name] = t
	return tableInto(md, p, func(key string, p toml.Primitive) error {
		return md.PrimitiveDecode(p, flagSetter(fs, key))
	})
}

// tableInto hands on each member of a table, by name.
func tableInto(md toml.MetaData, p toml.Primitive, member func(string, toml.Primitive) error) error {
	var t table
	err := md.PrimitiveDecode(p, setter(func(v any) error {
		if _, ok := v.(map[string]any); !ok {
			return errors.New("must be a table")
		}
		return nil
	}))
	if err == nil {
		err = md.PrimitiveDecode(p, &t)
	}
	if err != nil {
		return err
	}
	for _, name := range keys(t) {
		if err := member(name, t[name]); err != nil {
			return err
		}
	}
	return nil
}

// flagSetter sets a flag that was not given otherwise.
func flagSetter(fs *pflag.FlagSet, name string) setter {
	return func(v any) error {
		f := fs.Lookup(name)
		if f == nil || name == "help" {
			return errors.New("no such setting")
		}
		if f.Changed {
			return nil
		}
		switch v := v.(type) {
		case []any:
			if _, ok := f.Value.(*list); !ok {
				return errors.New("is one value, not a list")
			}
			for _, e := range v {
				if err := f.Value.Set(fmt.Sprint(e)); err != nil {
					return err
				}
			}
			return nil
		case []map[string]any: // [[listen]]
			if _, ok := f.Value.(*list); !ok {
				return errors.New("is one value, not tables")
			}
			for _, t := range v {
				if err := f.Value.Set(joinTable(t)); err != nil {
					return err
				}
			}
			return nil
		case string, int64, float64, bool:
			return f.Value.Set(fmt.Sprint(v))
		}
		return errors.New("is a string, a number or true or false")
	}
}

// joinTable writes a table as the flag has it: addr = "A", dialect = "d" is A,dialect=d.
func joinTable(t map[string]any) string {
	text := fmt.Sprint(t["addr"])
	for _, k := range slices.Sorted(maps.Keys(t)) {
		if k != "addr" {
			text += fmt.Sprintf(",%s=%v", k, t[k])
		}
	}
	return text
}

func keys(t table) []string {
	return slices.Sorted(maps.Keys(t))
}

// bad is a configuration error: file, line, key, and what is wrong.
func (s *settings) bad(err error) error {
	var p toml.ParseError
	if !errors.As(err, &p) {
		return usage("%s: %w", s.config, err)
	}
	if p.LastKey == "" {
		return usage("%s:%d: %s", s.config, p.Position.Line, p.Message)
	}
	return usage("%s:%d: %s: %s", s.config, p.Position.Line, p.LastKey, p.Message)
}
