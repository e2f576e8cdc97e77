package node

import "sync/atomic"

// Counter is one figure that only grows. Every loss, refusal and end has one.
type Counter int

const (
	Stored     Counter = iota // readings stored
	Delivered                 // readings handed to subscribers' transports
	Evicted                   // readings that left their topic to make room: history, not loss
	Duplicates                // readings recognised as sent before

	DropOverrun   // not delivered: evicted, or gone with their topic, before a slow subscriber read them
	DropConflated // not delivered: the subscriber asked for the latest or a rate
	DropFormless  // not delivered: the subscriber's dialect has no form for them

	RefusedSessions  // hub full
	RefusedTopics    // too many topics
	RefusedSubs      // too many subscriptions
	RefusedTasks     // too many unanswered requests
	RefusedRate      // requests beyond a session's rate
	RefusedLarge     // readings and HTTP heads over the size limit
	RefusedRoom      // arena full
	RefusedMalformed // frames that say nothing the hub understands
	RefusedForbidden // not allowed
	RefusedNoToken   // a token is needed, or the one given is not known
	RefusedGuesses   // tokens not looked at: too many wrong ones from that address
	RefusedHost      // requests for a name that is not the hub's
	RefusedOrigin    // requests of pages of another origin
	RefusedAddress   // connections beyond those of one address
	RefusedLater     // publishes whose answers would wait for the disk behind too many others
	RefusedKept      // sessions of MQTT that end with the process: no room for what would have to be kept
	RefusedWindows   // devices whose repeated readings are not recognised: too many devices

	CutBehind    // ended: no room for the list of unread topics
	CutSlow      // ended: the socket took nothing for too long
	CutDead      // ended: no sign of life
	CutMalformed // ended: ten malformed frames in a row
	CutProtocol  // ended: broke RFC 6455
	CutReplies   // ended: did not read what was said to it, answers above all
	CutEnded     // ended: the token was revoked or expired
	CutPings     // ended: too many pings a second
	CutFlood     // ended: fragments without an end, or packets of MQTT far beyond its rate
	CutRoom      // ended: no room for what it sends, of unfinished messages say, and no word for that

	FailedReads // pages that the disk could not read
	LostMinutes // minutes of history that there was no room for

	Opened  // sessions begun
	Closed  // sessions ended
	Expired // unused topics that went

	numCounters
)

var counterNames = [numCounters]string{
	"published", "delivered", "evicted", "duplicates",
	"drop_overrun", "drop_conflated", "drop_formless",
	"refused_sessions", "refused_topics", "refused_subscriptions", "refused_tasks", "refused_rate", "refused_large", "refused_room", "refused_malformed", "refused_forbidden", "refused_no_token", "refused_guesses", "refused_host", "refused_origin", "refused_address", "refused_later", "refused_kept", "refused_windows",
	"cut_behind", "cut_slow", "cut_dead", "cut_malformed", "cut_protocol", "cut_replies", "cut_ended", "cut_pings", "cut_flood", "cut_room",
	"failed_reads", "lost_minutes",
	"sessions_opened", "sessions_closed", "topics_expired",
}

// String is the counter's name in $sys/stats and in metrics.
func (c Counter) String() string { return counterNames[c] }

// Counters yields all counters.
func Counters(yield func(Counter) bool) {
	for c := range numCounters {
		if !yield(c) {
			return
		}
	}
}

// Stats are the hub's counters.
type Stats struct{ n [numCounters]atomic.Int64 }

// Add counts.
func (s *Stats) Add(c Counter, n int64) { s.n[c].Add(n) }

// Get reads.
func (s *Stats) Get(c Counter) int64 { return s.n[c].Load() }

// Memory is what the hub holds now, in bytes of memory.
type Memory struct {
	Readings      int64 // chunks that hold readings; the sum of all topics' bytes
	Arena         int64 // slabs ever touched: what is resident for readings
	Budget        int64 // of the arena
	Topics        int64 // topics, their names and the heads of their minutes
	Sessions      int64
	Subscriptions int64
	Ready         int64 // lists of what subscribers have not read
}

// Memory accounts for the hub's memory.
func (h *Hub) Memory() Memory {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.memoryLocked()
}

func (h *Hub) memoryLocked() Memory {
	var m Memory
	m.Readings, m.Budget, m.Arena = h.arena.Usage()
	m.Topics = int64(h.byName.n)*topicCost + h.names + h.history.Load()
	m.Sessions = int64(h.sessions.Len()) * sessionCost
	m.Subscriptions = int64(h.nsubs) * subCost
	m.Ready = h.readyBytes.Load()
	return m
}

// Counts are the hub's gauges.
type Counts struct{ Topics, Sessions, Subscriptions int }

// Counts reads the gauges.
func (h *Hub) Counts() Counts {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return Counts{h.byName.n, h.sessions.Len(), h.nsubs}
}
