package main

import (
	"net"
	"testing"
)

// TestLastEndpoint: the last address cannot be closed, however fast one closes
// the others.
func TestLastEndpoint(t *testing.T) {
	var e endpoints
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		e.list = append(e.list, &endpoint{Listener: l})
	}
	if err := e.Close(e.list[0].Addr().String()); err != nil {
		t.Error(err)
	}
	if e.Close(e.list[1].Addr().String()) == nil {
		t.Error("the last one was closed")
	}
}
