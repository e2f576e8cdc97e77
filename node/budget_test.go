package node

import (
	"fmt"
	"testing"
	"time"
)

// One session makes so many topics and no more, by whatever door; others are
// not touched, and it may go on when time has passed.
func TestTopicsOfOneSession(t *testing.T) {
	h := newClocked(t, Options{Made: 10, Keep: time.Minute})
	a, b := open(t, h.Hub), open(t, h.Hub)
	made := func(p *peer, i int) bool {
		name := []byte(fmt.Sprintf("t/%d", i))
		switch i % 4 {
		case 0:
			_, err := p.s.Publish(name, Body{Data: []byte("1")}, 0, h.turn)
			return err == nil
		case 1:
			_, err := p.s.Subscribe(name, SubOptions{Format: &lines{}}, h.turn)
			return err == nil
		case 2:
			return p.s.Hello(fmt.Sprintf("dev%d", i), "", h.turn) == nil
		}
		if err := p.s.MayManage(name); err != nil {
			return false
		}
		_, _, err := p.s.Make(name, MakeOptions{}, h.turn)
		return err == nil
	}
	for i := range 20 {
		if ok := made(a, i); ok != (i < 10) {
			t.Errorf("topic %d: %v", i, ok)
		}
	}
	if n := h.Stats.Get(RefusedTopics); n != 10 {
		t.Errorf("%d refusals counted", n)
	}
	if !made(a, 0) || !made(a, 3) {
		t.Error("topics that are there are refused")
	}
	for i := range 10 {
		if !made(b, 100+i) {
			t.Error("another session pays for it")
		}
	}
	h.wait(6 * time.Second) // a tenth of the time, one topic
	if !made(a, 200) || made(a, 201) {
		t.Error("time does not fill it")
	}
}

// A pattern costs by the topics that it is compared with.
func TestPatternsCost(t *testing.T) {
	h := newClocked(t, Options{Rate: 100})
	p, s := open(t, h.Hub), open(t, h.Hub)
	for i := range 800 {
		p.s.budget.fill(&h.opt, h.now)
		p.pub(t, fmt.Sprintf("t/%d", i), "1", h.turn)
	}
	if err := s.s.Spend(1, 0, h.now); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.s.Subscribe([]byte("t/+"), SubOptions{Format: &lines{}}, h.turn); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.s.Spend(1, 0, h.now); err == nil {
		t.Error("two patterns over 800 topics cost less than 100 requests")
	}
	h.wait(3 * time.Second)
	if err := s.s.Spend(1, 0, h.now); err != nil {
		t.Error(err)
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"/": "/", "/ws?a=b": "/ws?a=b", "/ws?access_token=s&x=1": "/ws?access_token=…&x=1", "/?token=s": "/?token=…", "/?x=1;token=s": "/?x=1&token=…",
		"/?%74oken=s": "/?%74oken=…", "/?access%5Ftoken=s": "/?access%5Ftoken=…", "/?%zz=s": "/?%zz=…", "/relay/token": "/relay/token",
	} {
		if got := redact(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
