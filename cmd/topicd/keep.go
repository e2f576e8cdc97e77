package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"topicd/codec"
	"topicd/node"
	"topicd/node/access"
)

// keeper keeps the static topics that clients made over restarts, in topics.json
// in the state directory. Those of the configuration stand there already.
type keeper struct {
	hub    *node.Hub
	file   string
	log    *slog.Logger
	config map[string]*topicSetting
	kept   []byte             // what the file holds
	unmade []node.Declaration // stand in the file, but this hub had no room for them
	failed bool               // the last attempt to write it
}

// keptTopic is one line of the file.
type keptTopic struct {
	Topic string `json:"topic"`
	Cap   int64  `json:"cap,omitempty"`   // bytes
	Stale int64  `json:"stale,omitempty"` // seconds
}

const (
	keepDelay = 200 * time.Millisecond // a client that makes a thousand topics costs one write
	keepRetry = 30 * time.Second       // after a full disk, say
	maxKept   = 64 << 20               // bytes: more was not written by us
)

func (s *server) newKeeper() *keeper {
	return &keeper{hub: s.hub, file: filepath.Join(s.set.state, "topics.json"), log: s.log, config: s.set.static}
}

// load makes the topics that the file tells of. A file that cannot be read is
// set aside: it never keeps the hub from starting.
func (k *keeper) load() {
	text, err := k.read()
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var topics []keptTopic
	if err == nil {
		err = json.Unmarshal(text, &topics)
	}
	if err != nil {
		aside := k.file + ".damaged"
		k.log.Error("the list of static topics cannot be read and is set aside", "err", err, "as", aside, "renamed", os.Rename(k.file, aside))
		return
	}
	k.kept = text
	for _, t := range topics {
		if k.config[t.Topic] != nil {
			continue
		}
		if _, err := k.hub.Make([]byte(t.Topic), node.MakeOptions{Static: true, Cap: t.Cap, Stale: t.Stale}); err != nil {
			if err.Code == codec.CodeNoRoom {
				k.unmade = append(k.unmade, node.Declaration(t))
			}
			k.log.Error("a static topic cannot be made again", "topic", t.Topic, "err", err)
		}
	}
}

func (k *keeper) read() ([]byte, error) {
	if i, err := os.Stat(k.file); err == nil && i.Size() > maxKept {
		return nil, errors.New("it is too large")
	}
	return os.ReadFile(k.file)
}

// keepLoop writes the file when static topics have been made, changed or deleted.
func (k *keeper) keepLoop(ctx context.Context) {
	again := time.NewTimer(keepRetry)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			if !k.failed {
				continue
			}
		case <-k.hub.Declared():
			select {
			case <-ctx.Done():
				return
			case <-time.After(keepDelay):
			}
		}
		k.save()
		again.Reset(keepRetry)
	}
}

// save writes what is not in the file yet.
func (k *keeper) save() {
	text := k.list()
	if bytes.Equal(text, k.kept) || k.kept == nil && text == nil {
		return
	}
	err := access.WriteSecret(k.file, text)
	if err == nil {
		k.kept = text
	}
	if failed := err != nil; failed != k.failed {
		k.failed = failed
		if failed {
			k.log.Error("static topics cannot be kept: a restart would forget the newest", "file", k.file, "err", err)
		} else {
			k.log.Info("static topics are kept again", "file", k.file)
		}
	}
}

// list is the file's text: JSON, a line per topic, by name. nil = no topics.
func (k *keeper) list() []byte {
	ds := slices.DeleteFunc(k.hub.Statics(), func(d node.Declaration) bool { return k.config[d.Topic] != nil })
	if len(ds) == 0 && k.kept == nil {
		return nil
	}
	if len(k.unmade) > 0 {
		made := make(map[string]bool, len(ds))
		for _, d := range ds {
			made[d.Topic] = true
		}
		k.unmade = slices.DeleteFunc(k.unmade, func(d node.Declaration) bool { return made[d.Topic] })
		ds = append(ds, k.unmade...)
	}
	slices.SortFunc(ds, func(a, b node.Declaration) int { return cmp.Compare(a.Topic, b.Topic) })
	b := []byte("[")
	for i, d := range ds {
		row, _ := json.Marshal(keptTopic(d)) // strings and numbers: cannot fail
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, '\n'), row...)
	}
	return append(b, "\n]\n"...)
}
