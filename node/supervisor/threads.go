package supervisor

import "runtime"

// EndThreads ends threads that a rush has left. Go starts one whenever all others stand
// in the kernel, keeps it for ever, and its stacks take 20 to 30 KB, besides the kernel's.
func EndThreads() {
	n, _ := runtime.ThreadCreateProfile(nil)
	for range n - fewThreads - 2*runtime.GOMAXPROCS(0) {
		done := make(chan struct{})
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			close(done)
		}()
		<-done
	}
}

// fewThreads with two a processor are what a hub has that nobody uses.
const fewThreads = 6
