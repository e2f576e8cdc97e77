//go:build !linux

package bench

import "net"

// process is the hub's. Only Linux tells about it here.
type process struct{ pid int }

func serverProcess(net.Addr, net.Addr, int) process { return process{} }

func (process) usage() usage { return usage{} }
func (process) name() string { return "" }
