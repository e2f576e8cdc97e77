//go:build !race

package nodetest

// Race tells whether the race detector watches: what it allocates beside is nobody's.
const Race = false
