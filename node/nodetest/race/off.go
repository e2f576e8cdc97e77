//go:build !race

package race

// Enabled: the race detector does not watch.
const Enabled = false
