package uplink

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"topicd/node/store"
	"topicd/node/uplink/natstest"
)

// cpu is what this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A backlog is drained at full speed, in order. TOPICD_UPLINK_DRAIN=1000000 says how
// many readings, to measure.
func TestABacklogIsDrained(t *testing.T) {
	n := 5000
	if v, err := strconv.Atoi(os.Getenv("TOPICD_UPLINK_DRAIN")); err == nil {
		n = v
	}
	for _, topics := range []int{50, 1} {
		t.Run(fmt.Sprint(topics, " topics"), func(t *testing.T) {
			s := natstest.Start(t, "")
			nc := s.Dial()
			dir := t.TempDir()
			so := store.Options{Dir: dir, Bytes: 1 << 30, Pending: 64 << 20}
			st, err := store.Open(so)
			if err != nil {
				t.Fatal(err)
			}
			data := []byte(`{"temp":21.5,"hum":40,"volt":3.31,"state":"running","pad":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}`)
			for i := range n {
				r := store.Reading{Topic: fmt.Sprintf("plant/%d/temp", i%topics), Ep: 7, Seq: uint64(i/topics + 1), TS: time.Now().UnixMilli(), From: []byte("sensor"), Data: data}
				for {
					if _, err := st.Append(&r); err == nil {
						break
					}
					_ = st.Sync()
				}
			}
			if err := st.Close(); err != nil {
				t.Fatal(err)
			}
			natstest.Stream(t, nc, "SITES", nil)
			g := newGateway(t, dir, Options{URLs: []string{s.URL}, Site: "farm7", slow: patience}, so)
			began, c := time.Now(), cpu()
			g.drained(5 * time.Minute)
			d := time.Since(began)
			t.Logf("%d readings of %d bytes in %v: %.0f/s, %.1f µs of CPU each", n, len(data), d.Round(time.Millisecond), float64(n)/d.Seconds(), (cpu()-c).Seconds()*1e6/float64(n))
			if st := g.up.Status(); st.Sent != int64(n) || st.Resent != 0 || st.Lost != [3]int64{} {
				t.Errorf("%+v", st)
			}
		})
	}
}
