package mqtt

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"topicd/node/nodetest/port"
)

// mosquitto starts Debian's broker on a port of its own, and returns its address.
func mosquitto(t *testing.T) string {
	t.Helper()
	bin := "/usr/sbin/mosquitto"
	if _, err := os.Stat(bin); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("mosquitto is missing: .ci/tools installs it")
		}
		t.Skip("mosquitto is missing: .ci/tools installs it")
	}
	for range 5 {
		if addr := startMosquitto(t, bin); addr != "" {
			return addr
		}
	}
	t.Fatal("mosquitto does not listen")
	return ""
}

// startMosquitto returns "" when somebody else has taken the port meanwhile.
func startMosquitto(t *testing.T, bin string) string {
	addr := port.Addr(t)
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	_, n, _ := net.SplitHostPort(addr)
	text := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type error\nmax_topic_alias 10\nmax_packet_size 2000000\nsys_interval 1\n", n)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(bin, "-c", conf)
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = c.Wait(); close(ended) }()
	t.Cleanup(func() { _ = c.Process.Kill(); <-ended })
	for end := time.Now().Add(patience); time.Now().Before(end); {
		select {
		case <-ended:
			return ""
		case <-time.After(10 * time.Millisecond):
		}
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return addr
		}
	}
	return ""
}
