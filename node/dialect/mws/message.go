package mws

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"topicd/codec"
	"topicd/node"
	"topicd/node/web/answer"
)

// input is a body that is checked while it is read: what is wrong is told
// in the words of the original's server.
type input interface {
	// parse takes the members of the body; the error is the answer's, nil = none.
	parse(m map[string]json.RawMessage) any
}

// read takes the request's body, of whatever Content-Type: the original's
// clients send none.
func (c *call) read(in input) bool {
	if err := answer.Plainly(c.w, c.r); err != nil {
		c.fail(err.Code, err.Msg)
		return false
	}
	limit := int64(c.Hub.Options().MaxBody) + answer.Slack
	size := c.r.ContentLength
	if size < 0 || size > limit {
		size = limit
	}
	if err := answer.Of(c.w).Hold(size); err != nil {
		c.refuse(err)
		return false
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, limit))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		c.Hub.Stats.Add(node.RefusedLarge, 1)
		c.fail(http.StatusRequestEntityTooLarge, "The body is larger than "+strconv.FormatInt(limit, 10)+" bytes")
		return false
	}
	if err != nil {
		c.fail(http.StatusBadRequest, "The body did not come whole")
		return false
	}
	if bad := parseBody(b, in); bad != nil {
		c.Hub.Stats.Add(node.RefusedMalformed, 1)
		answer.JSON(c.w, http.StatusUnprocessableEntity, bad)
		return false
	}
	return true
}

// parseBody reads one body. The answer's error is nil where all is well.
func parseBody(b []byte, in input) any {
	m := map[string]json.RawMessage{}
	if b = codec.Strip(codec.JSON, b); len(b) > 0 || !emptyIsFine(in) {
		if err := json.Unmarshal(b, &m); err != nil || m == nil {
			return map[string]string{"error": "Invalid json"}
		}
	}
	return in.parse(m)
}

func emptyIsFine(in input) bool {
	_, ok := in.(*socketIn)
	return ok
}

// socketIn is the body of POST sockets: {"tags": null or array}.
type socketIn struct{ tags []string }

func (in *socketIn) parse(m map[string]json.RawMessage) any {
	tags, bad := stringList(m["tags"], "Tags")
	if bad != "" {
		return map[string]string{"tags": bad}
	}
	if in.tags = tags; tags == nil {
		in.tags = []string{}
	}
	return nil
}

// message is the body of POST messages, and its answer.
type message struct {
	Data      string    `json:"data"`
	Receivers receivers `json:"receivers"`
}

// receivers: nil is null.
type receivers struct {
	Sockets []string `json:"sockets"`
	Tags    []string `json:"tags"`
}

func (in *message) parse(m map[string]json.RawMessage) any {
	bad := map[string]any{}
	switch text, ok := stringOf(m["data"]); {
	case m["data"] == nil:
		bad["data"] = "Data is required"
	case !ok:
		bad["data"] = "Data isn't a string"
	case strings.TrimSpace(text) == "":
		bad["data"] = "Data can't be blank"
	default:
		in.Data = text
	}
	var r map[string]json.RawMessage
	switch {
	case m["receivers"] == nil:
		bad["receivers"] = "Receivers is required"
	case json.Unmarshal(m["receivers"], &r) != nil || r == nil:
		bad["receivers"] = "Receivers isn't a hash"
	default:
		wrong := map[string]string{}
		in.Receivers.Sockets = receiver(r, "sockets", "Sockets", wrong)
		in.Receivers.Tags = receiver(r, "tags", "Tags", wrong)
		if len(wrong) > 0 {
			bad["receivers"] = wrong
		}
	}
	if len(bad) > 0 {
		return bad
	}
	return nil
}

// receiver is one list of receivers; both must be there, if only as null.
func receiver(m map[string]json.RawMessage, key, name string, wrong map[string]string) []string {
	raw, ok := m[key]
	if !ok {
		wrong[key] = name + " is required"
		return nil
	}
	l, bad := stringList(raw, name)
	if bad != "" {
		wrong[key] = bad
	}
	return l
}

// stringList is null or an array of what stringOf takes.
func stringList(raw json.RawMessage, name string) (list []string, bad string) {
	if raw == nil || string(raw) == "null" {
		return nil, ""
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return nil, name + " isn't an array"
	}
	list = make([]string, 0, len(items))
	for i, item := range items {
		s, ok := stringOf(item)
		if !ok {
			return nil, name + "[" + strconv.Itoa(i) + "] isn't a string"
		}
		list = append(list, s)
	}
	return list, ""
}

// stringOf takes a string, or a number or a truth value as it is written.
func stringOf(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 {
		return "", false
	}
	switch raw[0] {
	case '"':
		var s string
		return s, json.Unmarshal(raw, &s) == nil
	case '{', '[', 'n':
		return "", false
	}
	return string(raw), true
}

// messages sends one.
func (c *call) messages() {
	// Who may not send anything at all need not send a body.
	if !c.may("write", func(node.Rights) *codec.Error { return nil }) {
		return
	}
	var in message
	if !c.read(&in) || !c.mayReach(&in.Receivers) {
		return
	}
	c.send(in.Data, &in)
}

// mayReach asks the hub's rights, in access mode none: a tag is its topic, and
// sockets without one are mws/sockets.
func (c *call) mayReach(to *receivers) bool {
	rights := node.RightsOf(c.r.Context())
	if c.Access != "none" || c.admin || rights == nil {
		return true
	}
	ask := func(topic string) bool {
		if codec.CheckTopic([]byte(topic)) != nil {
			topic = "mws/sockets"
		}
		err := rights.MayPublish([]byte(topic))
		if err != nil {
			c.Hub.Stats.Add(node.RefusedForbidden, 1)
			c.refuse(err)
		}
		return err == nil
	}
	for _, tag := range to.Tags {
		if !ask(tagPrefix + tag) {
			return false
		}
	}
	return len(to.Tags) > 0 && len(to.Sockets) == 0 || ask("mws/sockets")
}

// send sends and answers with what was accepted.
func (c *call) send(data string, in *message) {
	last, err := c.sockets.send(data, in.Receivers.Sockets, in.Receivers.Tags)
	if err == nil {
		err = c.Hub.Await(last, c.r.Context().Done())
	}
	if err != nil {
		c.refuse(err)
		return
	}
	answer.JSON(c.w, http.StatusCreated, in)
}

// hook is the body of POST webhook_receivers/enginio: an event of a data
// store, for users and groups.
type hook struct{ msg message }

func (in *hook) parse(m map[string]json.RawMessage) any {
	bad := map[string]any{}
	raw := m["payload"]
	switch text, ok := stringOf(raw); {
	case raw == nil || string(raw) == "null":
		bad["payload"] = "Payload is required"
	case ok:
		in.msg.Data = text
	default: // the documentation shows an object, the original's server takes none
		var b bytes.Buffer
		_ = json.Compact(&b, raw)
		in.msg.Data = b.String()
	}
	if bad["payload"] == nil && strings.TrimSpace(in.msg.Data) == "" {
		bad["payload"] = "Payload can't be blank"
	}
	var list []map[string]json.RawMessage
	if m["receivers"] == nil {
		bad["receivers"] = "Receivers is required"
	} else if json.Unmarshal(m["receivers"], &list) != nil {
		bad["receivers"] = "Receivers isn't an array"
	}
	for _, r := range list {
		id, ok1 := stringOf(r["id"])
		kind, ok2 := stringOf(r["objectType"])
		switch {
		case !ok1 || !ok2:
			bad["receivers"] = "Receivers have an id and an objectType"
		case id == "*" && kind == "aclSubject":
			in.msg.Receivers.Sockets = []string{"*"}
		default:
			in.msg.Receivers.Tags = append(in.msg.Receivers.Tags, kind+"."+id)
		}
	}
	if len(bad) > 0 {
		return bad
	}
	return nil
}

func (c *call) webhook() {
	var in hook
	if c.needAdmin() && c.read(&in) {
		c.send(in.msg.Data, &in.msg)
	}
}
