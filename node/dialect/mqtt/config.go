package mqtt

import (
	"time"

	"topicd/node"
	"topicd/node/dialect"
)

// Config is what all connections share. The zero value of a field means its
// default.
type Config struct {
	Hub       *node.Hub
	Door      dialect.Door  // nil: nobody needs a token
	Version   string        // of the program, for $SYS
	MaxPacket int           // bytes of a packet; default 1 MiB
	Away      int           // clients that are kept without a connection; default a quarter of the hub's sessions
	Unread    int           // topics that they have not read, all together; default an eighth of what the hub's lists may hold
	Expiry    time.Duration // how long at most; default 7 days
	Values    bool          // what others publish as a SenML record with a number goes out as that number
	Archive   node.Archive  // what keeps clients over a restart; nil: nothing does

	closeFor time.Duration // default closeFor; longer in tests
}

func (c Config) withDefaults() Config {
	if c.MaxPacket == 0 {
		c.MaxPacket = 1 << 20
	}
	if c.Away == 0 {
		c.Away = c.Hub.Options().Sessions / 4
	}
	if c.Unread == 0 {
		c.Unread = int(c.Hub.Options().Ready / 8 / 8)
	}
	if c.Expiry == 0 {
		c.Expiry = 7 * 24 * time.Hour
	}
	if c.closeFor == 0 {
		c.closeFor = closeFor
	}
	return c
}
