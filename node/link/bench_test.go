package link_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"topicd/node"
	"topicd/node/link"
)

// A process of its own reads what BenchmarkDelivery delivers: its address comes
// in benchDashboards.
const (
	benchDashboards = "LINK_BENCH_DASHBOARDS"
	dashboards      = 100
)

// beDashboards subscribes and throws away what comes, until stdin ends. Over TLS
// it does not decrypt: only the hub is measured.
func beDashboards(addr string) {
	addr, secure := strings.CutSuffix(addr, overTLS)
	for range dashboards {
		nc, err := connect(net.Dialer{}, addr, secure)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		c, err := handshake(nc, addr)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		_ = nc.SetDeadline(time.Time{})
		c.say(`{"op":"sub","id":1,"topic":"a"}`)
		if _, err := c.next(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
			nc = t.NetConn()
		}
		go func() { _, _ = io.Copy(io.Discard, nc) }()
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// BenchmarkDelivery is the processor's time for one delivery of one reading to
// each of a hundred dashboards, plain and over TLS: "cpu-µs/delivery".
func BenchmarkDelivery(b *testing.B) {
	for _, reader := range []string{link.ReadPoll, link.ReadPoll + overTLS} {
		b.Run(reader, func(b *testing.B) { benchDelivery(b, reader) })
	}
}

func benchDelivery(b *testing.B, reader string) {
	s := serve(b, options{Reader: reader, Pace: -1}, node.Options{Rate: -1})
	p := s.source()
	defer p.close()
	addr := s.addr
	if s.tls {
		addr += overTLS
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchDashboards+"="+addr)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = in.Close(); _ = cmd.Wait() }()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		b.Fatal(line, err)
	}
	data := strings.Repeat("x", 100)
	deliver := func(n int) {
		for range n {
			sent := s.count(node.Delivered)
			p.pub("a", `"%s"`, data)
			for s.count(node.Delivered) < sent+dashboards {
				time.Sleep(200 * time.Microsecond)
			}
		}
	}
	deliver(200)
	before := processTime()
	b.ResetTimer()
	deliver(b.N)
	b.ReportMetric(float64((processTime()-before).Microseconds())/float64(b.N*dashboards), "cpu-µs/delivery")
}

func processTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
