//go:build race

package codec

// raceEnabled: the race detector makes sync.Pool forget on purpose.
const raceEnabled = true
