package mqtt

import (
	"unsafe"

	"topicd/node"
)

// Bounds of what all clients together have kept, in bytes.
const (
	maxWills = 1 << 20   // a will's user properties may be a MiB, and a thousand clients have one each …
	fewWills = 1 << 10   // … of which one so long fits always
	maxSaid  = 512 << 10 // answers in boxes
	fewSaid  = 512       // of one of them
	maxAgain = 4096      // messages of members of shares that have ended, by number
	aliasLen = 64        // of a name that an alias stands for, on average
)

// maxBoxes is what shares may have handed out that nobody has taken: one more message
// has come before they are full.
func maxBoxes(packet int) int64 { return max(1<<20, 2*int64(packet)) }

// maxNames is what the names that aliases stand for may take.
func maxNames(sessions int) int64 { return int64(sessions) * takenAliases * aliasLen }

// What a client takes at most, and a subscription: of those it has so many as any session.
const (
	clientCost = int64(unsafe.Sizeof(client{})+unsafe.Sizeof(conn{})+unsafe.Sizeof(past{})+unsafe.Sizeof(piece{})+unsafe.Sizeof(more{})+unsafe.Sizeof(lasting{})+unsafe.Sizeof(absence{})+unsafe.Sizeof(keep{})+unsafe.Sizeof(many{})) +
		maxClientID + mapPlace + maxScratch + 384 + // what the allocator rounds up to
		maxWindow*int64(unsafe.Sizeof(flight{})) + receiveMaximum*int64(unsafe.Sizeof(incoming{})) +
		takenAliases*int64(unsafe.Sizeof("")+unsafe.Sizeof(topicID{})) +
		maxMemberships*int64(unsafe.Sizeof(member{})+3*unsafe.Sizeof(uintptr(0)))
	subCost  = int64(unsafe.Sizeof(sub{})) + mapPlace + 16 // its identifier, and its place in a packet that is handled in pieces
	mapPlace = 2 * 24                                      // of a string and a word, in a map that may be half empty
	noteCost = 2 * 32                                      // of a topic in keep.sent
)

// Worst is the most memory that MQTT takes, in bytes, beside what sessions and their
// connections take anyhow: with so many of them, of so many subscriptions each, and
// packets of so many bytes.
func Worst(sessions, subs, packet int) int64 {
	n := int64(sessions)
	return maxWills + maxBoxes(packet) + int64(packet) + maxSaid + maxNames(sessions) + maxNoted*noteCost + maxAgain*int64(unsafe.Sizeof(flight{})) +
		n*clientCost + n*int64(min(subs, node.SubsPerSession))*subCost
}
