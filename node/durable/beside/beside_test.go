package beside

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	bolt "go.etcd.io/bbolt"
	_ "modernc.org/sqlite"

	"topicd/codec"
	"topicd/node"
	"topicd/node/durable"
	"topicd/node/store"
)

// body is a reading of 100 bytes.
var body = []byte(`{"v":21.5,"u":"Cel","pad":"` + strings.Repeat("x", 71) + `"}`)

// keeper stores a reading of a publisher and returns when it is on disk.
type keeper interface {
	publisher(b *testing.B, n int) func(i int)
	commits() uint64 // fsyncs, or transactions of which each is one or more
	close()
}

func BenchmarkWaiting(b *testing.B) {
	for _, k := range []struct {
		name string
		open func(b *testing.B) keeper
	}{{"topicd", openHub}, {"bbolt", openBolt}, {"sqlite-wal", openSQLite}, {"jetstream-always", openStream}} {
		for _, n := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", k.name, n), func(b *testing.B) { waiting(b, k.open(b), n) })
		}
	}
}

func waiting(b *testing.B, k keeper, n int) {
	var wg sync.WaitGroup
	publish := make([]func(int), n)
	for i := range publish {
		publish[i] = k.publisher(b, i)
	}
	commits, bytes := k.commits(), deviceBytes()
	b.ResetTimer()
	for i := range n {
		wg.Go(func() {
			for j := i; j < b.N; j += n {
				publish[i](j)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "readings/s")
	if c := k.commits(); c > 0 {
		b.ReportMetric(float64(c-commits)/float64(b.N), "commits/op")
	}
	k.close()
	b.ReportMetric(float64(deviceBytes()-bytes)/float64(b.N), "dev-B/op")
}

func deviceBytes() (n int64) {
	text, _ := os.ReadFile("/proc/self/io")
	_, rest, _ := strings.Cut(string(text), "\nwrite_bytes: ")
	_, _ = fmt.Sscan(rest, &n)
	return n
}

// hub is topicd: sessions of a hub in this process.
type hub struct {
	disk *durable.Disk
	h    *node.Hub
}

func openHub(b *testing.B) keeper {
	d, err := durable.Open(store.Options{Dir: b.TempDir(), Sync: 0}, []string{"plant/#"})
	if err != nil {
		b.Fatal(err)
	}
	h := node.New(node.Options{Disk: d, Epoch: d.Store.Epoch(), Rate: -1})
	d.Attach(h)
	return &hub{d, h}
}

func (k *hub) publisher(b *testing.B, n int) func(int) {
	s, err := k.h.Open(node.Deaf{}, "10.0.0.1:1", "/", k.h.Turn())
	if err != nil {
		b.Fatal(err)
	}
	topic := fmt.Appendf(nil, "plant/%d", n)
	return func(int) {
		turn := k.h.Turn()
		p, err := s.Publish(topic, node.Body{Enc: codec.JSON, Data: body}, 0, turn)
		turn.Wake()
		if err == nil {
			err = k.h.Await(p.Commit, nil)
		}
		if err != nil {
			b.Error(err)
		}
	}
}

func (k *hub) commits() uint64 { return k.disk.Store.Stats().Syncs }
func (k *hub) close()          { _ = k.disk.Close(); k.h.Close() }

// grouped is a store with one writer, which puts all that wait into one transaction.
type grouped struct {
	ask  chan grouping
	n    uint64
	done chan struct{}
	end  func()
}

type grouping struct {
	key  uint64
	done chan struct{}
}

func group(write func(keys []uint64) error, end func(), b *testing.B) keeper {
	g := &grouped{ask: make(chan grouping, 64), done: make(chan struct{}), end: end}
	go func() {
		defer close(g.done)
		for q := range g.ask {
			all := []grouping{q}
			for more := true; more && len(all) < 64; {
				select {
				case q, ok := <-g.ask:
					if more = ok; ok {
						all = append(all, q)
					}
				default:
					more = false
				}
			}
			keys := make([]uint64, len(all))
			for i, q := range all {
				keys[i] = q.key
			}
			if err := write(keys); err != nil {
				b.Error(err)
			}
			g.n++
			for _, q := range all {
				close(q.done)
			}
		}
	}()
	return g
}

func (g *grouped) publisher(_ *testing.B, n int) func(int) {
	return func(i int) {
		q := grouping{uint64(n)<<40 | uint64(i), make(chan struct{})}
		g.ask <- q
		<-q.done
	}
}
func (g *grouped) commits() uint64 { return g.n }
func (g *grouped) close()          { close(g.ask); <-g.done; g.end() }

func openBolt(b *testing.B) keeper {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	return group(func(keys []uint64) error {
		return db.Update(func(tx *bolt.Tx) error {
			t, err := tx.CreateBucketIfNotExists([]byte("readings"))
			for _, k := range keys {
				if err == nil {
					err = t.Put(binary.BigEndian.AppendUint64(nil, k), body)
				}
			}
			return err
		})
	}, func() { _ = db.Close() }, b)
}

func openSQLite(b *testing.B) keeper {
	db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE readings (k INTEGER PRIMARY KEY, data BLOB)"); err != nil {
		b.Fatal(err)
	}
	return group(func(keys []uint64) error {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		for _, k := range keys {
			if _, err := tx.Exec("INSERT INTO readings VALUES (?, ?)", int64(k), body); err != nil {
				return err
			}
		}
		return tx.Commit()
	}, func() { _ = db.Close() }, b)
}

// stream is JetStream in this process, with sync_interval always.
type stream struct{ s *server.Server }

func openStream(b *testing.B) keeper {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: b.TempDir(), SyncAlways: true, NoLog: true, NoSigs: true})
	if err != nil {
		b.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		b.Fatal("no server")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		b.Fatal(err)
	}
	js, err := nc.JetStream()
	if err == nil {
		_, err = js.AddStream(&nats.StreamConfig{Name: "plant", Subjects: []string{"plant.>"}, Storage: nats.FileStorage})
	}
	if err != nil {
		b.Fatal(err)
	}
	nc.Close()
	return &stream{s}
}

func (k *stream) publisher(b *testing.B, n int) func(int) {
	nc, err := nats.Connect("", nats.InProcessServer(k.s))
	if err != nil {
		b.Fatal(err)
	}
	js, err := nc.JetStream()
	if err != nil {
		b.Fatal(err)
	}
	topic := fmt.Sprint("plant.", n)
	return func(int) {
		if _, err := js.Publish(topic, body); err != nil {
			b.Error(err)
		}
	}
}
func (k *stream) commits() uint64 { return 0 }
func (k *stream) close()          { k.s.Shutdown(); k.s.WaitForShutdown() }
