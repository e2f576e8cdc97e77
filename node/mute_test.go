package node

import "testing"

// What a session has to say comes before the readings of subscriptions that were made
// meanwhile, kept ones too, whoever fills it in between.
func TestReadingsWaitWhileTheirSessionIsMute(t *testing.T) {
	h := newClocked(t, Options{})
	p, s := open(t, h.Hub), open(t, h.Hub)
	p.say(t, "1", false, h.turn)
	s.sub(t, "b", SubOptions{}, h.turn)
	want(t, s.fill(h.now, 0), "live b 0")
	s.s.Mute()
	s.sub(t, "a", SubOptions{Kept: true}, h.turn)
	p.say(t, "2", true, h.turn)
	want(t, s.fill(h.now, 0))
	if err := s.s.Enqueue(saying("the answer"), h.turn); err != nil {
		t.Fatal(err)
	}
	want(t, s.fill(h.now, 0), "the answer")
	h.turn.Take()
	s.s.Unmute(h.turn)
	if n := len(h.turn.Take()); n != 1 {
		t.Errorf("%d sessions are to be filled", n)
	}
	want(t, s.fill(h.now, 0), "a 1 0 1", "live a 0", "a 2 0 2")
}

type saying string

func (s saying) Step(dst []byte, _ int, _ Framer) ([]byte, bool) {
	return append(append(dst, s...), '\n'), true
}
