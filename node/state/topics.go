package state

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sort"
	"sync"
	"time"

	"topicd/codec"
	"topicd/node"
)

// Topics keep the static topics that clients made over restarts. Those of the
// configuration stand there already.
type Topics struct {
	// static after construction
	Hub  *node.Hub
	File string
	Log  *slog.Logger
	Skip func(topic string) bool // those of the configuration

	mu     sync.Mutex         // held while the file is written
	kept   []byte             // what the file holds
	unmade []node.Declaration // stand in the file, but this hub had no room for them
	failed bool               // the last attempt to write it
	at     time.Time          // of the last attempt
}

// keptTopic is one line of the file.
type keptTopic struct {
	Topic string `json:"topic"`
	Cap   int64  `json:"cap,omitempty"`   // bytes
	Stale int64  `json:"stale,omitempty"` // seconds

	Dynamic bool `json:"dynamic,omitempty"` // it is durable and not static
	Durable bool `json:"durable,omitempty"`

	Writable bool    `json:"writable,omitempty"`
	Min      float64 `json:"min,omitempty"`
	Max      float64 `json:"max,omitempty"`
}

const (
	keepDelay = 200 * time.Millisecond // a client that makes a thousand topics costs one write
	keepRetry = 30 * time.Second       // after a full disk, say
	keptFresh = time.Second            // a disk that took a file takes the next: a thousand topics in a row are no thousand writes
)

// Load makes the topics that the file tells of.
func (k *Topics) Load() error {
	var topics []keptTopic
	ok, err := Read(k.File, k.Log, "the static topics that it told of are to be made again", func(text []byte) error {
		k.kept = text
		return json.Unmarshal(text, &topics)
	})
	if !ok {
		k.kept, topics = nil, nil
	}
	for _, t := range topics {
		if k.Skip(t.Topic) {
			continue
		}
		if _, err := k.Hub.Make([]byte(t.Topic), node.MakeOptions{Static: !t.Dynamic, Cap: t.Cap, Stale: t.Stale, Durable: t.Durable, Writable: t.Writable, Min: t.Min, Max: t.Max}); err != nil {
			if err.Code == codec.CodeNoRoom {
				k.unmade = append(k.unmade, node.Declaration(t))
			}
			k.Log.Error("a static topic cannot be made again", "topic", t.Topic, "err", err)
		}
	}
	return err
}

// Run writes the file when static topics have been made, changed or deleted,
// until ctx ends.
func (k *Topics) Run(ctx context.Context) {
	again := time.NewTimer(keepRetry)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			if !k.Failed() {
				continue
			}
		case <-k.Hub.Declared():
			select {
			case <-ctx.Done():
				return
			case <-time.After(keepDelay):
			}
		}
		k.Save()
		again.Reset(keepRetry)
	}
}

// Failed tells whether the file could not be written the last time.
func (k *Topics) Failed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failed
}

// Kept tells whoever has made a static topic whether it outlives a restart: it
// writes the file, unless that went well a moment ago. It waits for the disk.
func (k *Topics) Kept() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed || time.Since(k.at) > keptFresh {
		k.saveLocked()
	}
	return !k.failed
}

// Save writes what is not in the file yet. It waits for the disk.
func (k *Topics) Save() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.saveLocked()
}

func (k *Topics) saveLocked() {
	text := k.listLocked()
	if bytes.Equal(text, k.kept) || k.kept == nil && text == nil {
		k.failed = false // nothing would be forgotten
		return
	}
	err := Write(k.File, text)
	k.at = time.Now()
	if err == nil {
		k.kept = text
	}
	if failed := err != nil; failed != k.failed {
		k.failed = failed
		if failed {
			k.Log.Error("static topics cannot be kept: a restart would forget the newest", "file", k.File, "err", err)
		} else {
			k.Log.Info("static topics are kept again", "file", k.File)
		}
	}
}

// listLocked is the file's text: JSON, a line per topic, by name. nil = no topics.
func (k *Topics) listLocked() []byte {
	ds := slices.DeleteFunc(k.Hub.Statics(), func(d node.Declaration) bool { return k.Skip(d.Topic) })
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
	sort.Slice(ds, func(i, j int) bool { return ds[i].Topic < ds[j].Topic })
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
