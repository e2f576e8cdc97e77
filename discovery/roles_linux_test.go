package discovery

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"
)

const roleEnv = "TOPICD_DISCOVERY_ROLE"

// TestMain is also the program that runs inside of the namespaces.
func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "hub":
		roleHub()
	case "browse":
		roleBrowse()
	case "watch":
		roleWatch()
	case "zeroconf":
		roleZeroconf()
	default:
		// The labs' tests sleep for most of their time.
		flag.Parse()
		_ = flag.Set("test.parallel", "8")
		os.Exit(m.Run())
	}
}

// hubStatus is what the hub's process tells.
type hubStatus struct {
	Status
	RSS        int           // bytes
	CPU        time.Duration // used so far
	Goroutines int
}

// guard ends a role that runs in the machine's own network.
func guard(arg any) {
	ns, err := os.Readlink("/proc/self/ns/net")
	if err != nil || ns == os.Getenv("OUTSIDE") || os.Getenv("OUTSIDE") == "" {
		fmt.Fprintln(os.Stderr, "not in a namespace of the lab")
		os.Exit(1)
	}
	if err := json.Unmarshal([]byte(os.Getenv("ARG")), arg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func roleHub() {
	var s Service
	guard(&s)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	base := runtime.NumGoroutine()
	a := Advertise(ctx, s, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		st := hubStatus{Status: a.Status(), RSS: rss(), CPU: cpu(), Goroutines: runtime.NumGoroutine()}
		b, _ := json.Marshal(st)
		fmt.Printf("%s\n", b)
	}
	a.Close()
	// zeroconf's announcers may sleep for 3.5 s more; all else must have ended.
	deadline := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > base && time.Now().Before(deadline) && os.Getenv("COUNT") != "" {
		time.Sleep(20 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > base && os.Getenv("COUNT") != "" {
		buf := make([]byte, 1<<16)
		fmt.Fprintf(os.Stderr, "panic: %d goroutines left of %d\n%s\n", n, base, buf[:runtime.Stack(buf, true)])
	}
	os.Exit(0)
}

// roleWatch prints the names of each round on a line.
func roleWatch() {
	var o BrowseOptions
	guard(&o)
	ctx, stop := context.WithCancel(context.Background())
	go func() { _, _ = io.ReadAll(os.Stdin); stop() }()
	Watch(ctx, o, 400*time.Millisecond, func(hubs []Hub, err error) {
		fmt.Fprintf(os.Stderr, "round: %v", err)
		for _, h := range hubs {
			fmt.Fprintf(os.Stderr, " %s", Display(h.Name))
		}
		fmt.Fprintln(os.Stderr)
	})
	os.Exit(0)
}

// roleZeroconf registers with zeroconf and has no responder of ours.
func roleZeroconf() {
	var s Service
	guard(&s)
	s = s.withDefaults()
	ifi, err := net.InterfaceByName("eth0")
	if err == nil {
		var reg *registration
		if reg, err = register(*ifi, s.identity(s.Instance, s.Host)); err == nil {
			_, _ = io.ReadAll(os.Stdin)
			reg.withdraw()
			os.Exit(0)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func rss() int {
	var pages int
	b, _ := os.ReadFile("/proc/self/statm")
	_, _ = fmt.Sscanf(string(b), "%d %d", new(int), &pages)
	return pages * os.Getpagesize()
}

func roleBrowse() {
	var o BrowseOptions
	guard(&o)
	hubs, err := Browse(context.Background(), o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	b, _ := json.Marshal(hubs)
	fmt.Printf("%s\n", b)
	os.Exit(0)
}
