package uplink

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"topicd/node/uplink/natstest"
)

// ip runs ip(8).
func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// A gateway in a network namespace whose link goes down, longer than TCP and the
// duplicate window bear, and comes back: it is up again at once, and nothing is lost or
// doubled.
func TestALinkThatIsPulled(t *testing.T) {
	if testing.Short() {
		t.Skip("a quarter of a minute")
	}
	// The server's end is in a namespace of its own, too, and this test with it: an
	// interface that comes and goes on the machine itself has browsers, which other
	// tests run, drop all their connections.
	if os.Getenv("TOPICD_UPLINK_APART") == "" {
		c := exec.Command("unshare", "--net", os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
		c.Env = append(os.Environ(), "TOPICD_UPLINK_APART=1")
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := c.CombinedOutput()
		switch t.Logf("%s", out); {
		case bytes.HasPrefix(out, []byte("unshare: ")) || bytes.Contains(out, []byte("--- SKIP: "+t.Name())):
			t.Skip("no network namespaces here")
		case err != nil:
			t.Error(err)
		}
		return
	}
	ip(t, "link set lo up")
	ns := fmt.Sprintf("topicd%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
		t.Skipf("no network namespaces here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	link, peer := fmt.Sprintf("tv%d", os.Getpid()), fmt.Sprintf("tw%d", os.Getpid())
	ip(t, "link add "+link+" type veth peer name "+peer+" netns "+ns)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", link).Run() })
	ip(t, "addr add 10.231.77.1/30 dev "+link)
	ip(t, "link set "+link+" up")
	in := "netns exec " + ns + " ip "
	ip(t, in+"addr add 10.231.77.2/30 dev "+peer)
	ip(t, in+"link set "+peer+" up")
	ip(t, in+"link set lo up")
	s := natstest.StartAt(t, "10.231.77.1")
	nc := s.Dial()
	natstest.Stream(t, nc, "SITES", map[string]any{"duplicate_window": int64(2 * time.Second)})
	c := &chaos{t: t, dir: t.TempDir(), urls: s.URL, acked: map[string]map[string][]uint64{}, within: []string{"ip", "netns", "exec", ns}}
	c.start()
	count := func() float64 {
		return natstest.API(t, nc, "STREAM.INFO.SITES", nil)["state"].(map[string]any)["messages"].(float64)
	}
	await(t, patience, "readings come", func() bool { return count() > 100 })
	ip(t, in+"link set "+peer+" down")
	time.Sleep(13 * time.Second) // longer than the gateway waits for acks and answers
	before := count()
	ip(t, in+"link set "+peer+" up")
	back := time.Now()
	await(t, patience, "readings come again", func() bool { return count() > before })
	t.Logf("readings come again %v after the link", time.Since(back).Round(10*time.Millisecond))
	c.end()
	c.verify(natstest.Read(t, nc, "SITES", "sites.farm7.up.>"))
}
