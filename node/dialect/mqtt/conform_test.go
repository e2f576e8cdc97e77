package mqtt

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"topicd/node/dialect/mqtt/packet"
)

// kase is one behaviour that the standard wants, by its clause in MQTT 5 and,
// where there is one, the same in 3.1.1.
type kase struct {
	clause string
	says   string
	only   packet.Version // 0 = 3.1.1 and 5
	not    string         // brokers that deviate, and where
	alone  bool           // it has time pass
	do     func(x *run)
}

func kases() []kase {
	return slices.Concat(connectCases, wordCases, publishCases, qosCases, subscribeCases, filterCases(), sessionCases, willCases, fiveCases, aliasCases, sharedCases)
}

// conform runs the table against a broker, and what has time pass against one that alone
// makes for it, if it is given.
func conform(t *testing.T, b *broker, alone ...func(*testing.T) *aside) {
	only := os.Getenv("MQTT_CASE")
	for i, k := range kases() {
		if only != "" && !strings.Contains(k.clause+" "+k.says, only) {
			continue
		}
		for _, v := range []packet.Version{packet.V4, packet.V5} {
			if k.only != 0 && k.only != v || strings.Contains(k.not, b.name) {
				continue
			}
			t.Run(fmt.Sprintf("v%d/%s/%s", v, k.clause, strings.ReplaceAll(k.says, " ", "_")), func(t *testing.T) {
				t.Parallel()
				x := &run{T: t, b: b, v: v, ns: fmt.Sprintf("c%d-%d/", i, v)}
				if k.alone && len(alone) > 0 {
					x.aside = alone[0](t)
					x.b = x.aside.broker
				}
				k.do(x)
			})
		}
	}
}

// TestMosquittoPassesTheTable: the cases are the standard's and not our own
// reading of it.
func TestMosquittoPassesTheTable(t *testing.T) {
	if testing.Short() {
		t.Skip("the cases are as they were")
	}
	addr := mosquitto(t)
	conform(t, &broker{"mosquitto", func() (net.Conn, error) { return net.Dial("tcp", addr) }})
}
