//go:build race

// Package race tells tests whether the race detector watches: it makes sync.Pool
// forget on purpose, allocates more, and takes ten times as long.
package race

// Enabled: the race detector watches.
const Enabled = true
