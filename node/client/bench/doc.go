// Package bench loads a hub and measures what it makes of it.
//
// Publishers send readings at a given rate, or as fast as the hub hands them on
// (a closed loop with a bounded window); subscribers each hear all of them.
// Publishers and subscribers are in this process, so a latency is the
// difference of two looks at one clock, wherever the hub is: from just before
// the reading's frame is written to just after the socket was read.
//
// # What is counted
//
// A reading that was sent is either refused by the hub (an `err` with a code),
// or owed to every subscriber. What is owed and did not come is lost: as the
// hub said itself (`drop`), or unexplained, which must not be. All of them are
// counted from the first reading to the last; throughput, latency and CPU only
// in the time measured, without the warm-up.
//
// # Cheap connections
//
// A load generator that is slower than the hub measures itself. gorilla does
// the handshake; then the connection's bytes are read and written here: a whole
// read's frames are taken apart where they lie, readings that look as the hub
// writes them are scanned in a few nanoseconds and all else goes to the codec.
// Each reading is one frame and one write, as sensors do. A publisher costs a
// goroutine that mostly sleeps and a few hundred bytes of buffer.
package bench
