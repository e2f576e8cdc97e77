package scd

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"topicd/codec"
)

// FileCap is what TMK gives a topic where there is room, and so what one of a file
// is to have.
const FileCap = 2 << 20

// FileTopic is a line of the file "topics" of an SCD-TopicServer.
type FileTopic struct {
	Line   int
	Name   string
	Static bool   // else it is dynamic: the SCD-TopicServer leaves it out when it starts
	Twice  int    // the line that has the name already, 0 = none
	Wrong  string // why it cannot be taken, "" if it can
}

// maxFile is more than a hub could hold.
const maxFile = 64 << 20

// ReadFile reads the file: a line NAME:static or NAME:dynamic for each topic, in
// Latin-1, or UTF-8 where it is that. Empty lines are passed over.
func ReadFile(r io.Reader) ([]FileTopic, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("it is no such file: it is larger than %d MiB", maxFile>>20)
	}
	if err != nil {
		return nil, err
	}
	var topics []FileTopic
	seen := map[string]int{}
	for i, line := range strings.Split(fileText(b), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		t := parseLine(line)
		t.Line = i + 1
		if t.Wrong == "" || seen[t.Name] > 0 {
			if t.Twice = seen[t.Name]; t.Twice == 0 {
				seen[t.Name] = t.Line
			}
		}
		topics = append(topics, t)
	}
	return topics, nil
}

func fileText(b []byte) string {
	b = codec.Strip(codec.JSON, b)
	if utf8.Valid(b) {
		return string(b)
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c) // Latin-1 is the first 256 of Unicode
	}
	return string(runes)
}

func parseLine(line string) (t FileTopic) {
	i := strings.LastIndexByte(line, ':')
	if i < 0 {
		t.Wrong = fmt.Sprintf("%.60q is not NAME:static or NAME:dynamic", line)
		return t
	}
	name, kind := strings.TrimSpace(line[:i]), strings.TrimSpace(line[i+1:])
	t.Name, t.Static = name, kind == "static"
	if !t.Static && kind != "dynamic" {
		t.Wrong = fmt.Sprintf("%.60q is neither static nor dynamic", kind)
	} else if err := codec.CheckTopic([]byte(name)); t.Static && err != nil {
		t.Wrong = err.Msg
	}
	return t
}
