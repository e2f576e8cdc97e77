package mqtt

import (
	"fmt"
	"strings"

	"topicd/node/dialect/mqtt/packet"
)

var subscribeCases = []kase{
	{clause: "3.8.4-1", says: "SUBACK answers each filter in order", do: func(x *run) {
		p := x.connect("a")
		p.subscribe(nil, packet.Filter{Filter: x.n("a"), QoS: 2}, packet.Filter{Filter: x.n("b")}, packet.Filter{Filter: x.n("c"), QoS: 1})
		p.want("SUBACK 7 02 00 01")
	}},
	{clause: "3.8.4-3", says: "the same filter again replaces the subscription and sends what is retained", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		p.pub(0, "t", "r", retain)
		s.sub(0, "t")
		s.want("q0 t r retain")
		s.sub(1, "t")
		s.want("q0 t r retain")
		p.pub(1, "t", "x")
		s.take("q1 t x")
		s.quiet()
	}},
	{clause: "3.8.4", says: "many filters in one packet", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		var list []string
		for i := range 100 {
			list = append(list, fmt.Sprintf("f/%d", i))
		}
		s.sub(0, list...)
		p.pub(0, "f/99", "x")
		s.want("q0 f/99 x")
	}},
	{clause: "3.10.4-1", says: "after UNSUBSCRIBE nothing comes", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(1, "a", "b/#")
		want := ""
		if x.v == packet.V5 {
			want = " 00 11"
		}
		s.unsub(want, "a", "not/there")
		p.pub(1, "a", "x")
		p.pub(1, "b/c", "y")
		s.take("q1 b/c y")
		s.quiet()
	}},
	{clause: "4.7.1-2", says: "a/# fits a", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(0, "a/#")
		p.pub(0, "a", "1")
		p.pub(0, "a/b/c", "2")
		p.pub(0, "ab", "3")
		s.want("q0 a 1")
		s.want("q0 a/b/c 2")
		s.quiet()
	}},
	{clause: "4.7.2-1", says: "a leading wildcard does not fit names that begin with $", do: func(x *run) {
		s := x.connect("s")
		s.subscribe(nil, packet.Filter{Filter: []byte("+/broker/version")})
		s.want("SUBACK 7 00")
		s.quiet()
		s.subscribe(nil, packet.Filter{Filter: []byte("$SYS/broker/version")})
		s.want("SUBACK 7 00")
		if d := s.describe(s.read()); !strings.HasPrefix(d, "q0 $SYS/broker/version ") || !strings.HasSuffix(d, " retain") {
			x.Fatal(d)
		}
	}},
	{clause: "3.8.4", says: "a subscription to what others may not write is no harm", do: func(x *run) {
		s, p := x.connect("s"), x.connect("p")
		s.sub(0, "t")
		q := packet.Publish{Topic: []byte("$SYS/broker/version"), Payload: []byte("x")}
		p.write(q.Append(nil, x.v))
		p.pub(0, "t", "y")
		s.want("q0 t y")
	}},
}

// filterCases are the table of 4.7: which filters fit which names.
func filterCases() []kase {
	var out []kase
	for _, c := range []struct{ filter, fit, not string }{
		{"sport/tennis/player1/#", "sport/tennis/player1 sport/tennis/player1/ranking sport/tennis/player1/score/wimbledon", "sport/tennis/player2"},
		{"sport/#", "sport sport/ sport/x", "sports"},
		{"sport/tennis/+", "sport/tennis/player1 sport/tennis/", "sport/tennis/player1/ranking sport/tennis"},
		{"sport/+", "sport/", "sport"},
		{"x/+/+", "x// x/a/ x//a", "x/ x/a/b/c"},
		{"x//a", "x//a", "x/a x/b/a"},
		{"x/+/a", "x//a x/b/a", "x/a"},
		{"/", "/", "x"},
		{"x/ /ä", "x/ /ä", "x//ä"},
		{"Accounts", "Accounts", "accounts"},
		{"é", "é", "e\u0301"}, // no normalisation
	} {
		out = append(out, kase{clause: "4.7", says: fmt.Sprintf("filter %q", c.filter), do: func(x *run) {
			s, p := x.connect("s"), x.connect("p")
			s.sub(0, c.filter)
			for _, n := range strings.Split(strings.ReplaceAll(c.fit, "/ /", "/_/"), " ") {
				n = strings.ReplaceAll(n, "/_/", "/ /")
				p.pub(0, n, "x")
				s.want("q0 " + n + " x")
			}
			for _, n := range strings.Fields(c.not) {
				p.pub(0, n, "x")
			}
			s.quiet()
		}})
	}
	return out
}
