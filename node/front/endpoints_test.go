package front

import (
	"net"
	"testing"
)

// TestLastEndpoint: the last address cannot be closed, however fast one closes
// the others.
func TestLastEndpoint(t *testing.T) {
	f := New(Options{})
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f.list = append(f.list, &endpoint{Listener: l})
	}
	if err := f.Unlisten(f.list[0].Addr().String()); err != nil {
		t.Error(err)
	}
	if f.Unlisten(f.list[1].Addr().String()) == nil {
		t.Error("the last one was closed")
	}
}

// What a phone is shown: no address that means the phone itself, and rather one
// that people can read out.
func TestNetworkDashboard(t *testing.T) {
	for _, c := range []struct {
		urls []string
		want string
	}{
		{nil, ""},
		{[]string{"ws://127.0.0.1:22345/ws", "ws://[::1]:22345/ws"}, ""},
		{[]string{"ws://127.0.0.1:1/ws", "ws://[2001:db8::7]:1/ws", "ws://192.0.2.7:1/ws"}, "http://192.0.2.7:1/"},
		{[]string{"wss://127.0.0.1:1/ws", "wss://[2001:db8::7]:1/ws"}, "https://[2001:db8::7]:1/"},
	} {
		if got := networkDashboard(c.urls); got != c.want {
			t.Errorf("%v: %s, want %s", c.urls, got, c.want)
		}
	}
}
