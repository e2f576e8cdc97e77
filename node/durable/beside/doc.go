// Package beside measures durable topics beside what else keeps readings on disk:
// bbolt, SQLite and NATS JetStream, on the same work in the same run. It is a module
// of its own, so that the hub's does not name them:
//
//	go test -bench . -benchtime 2s
//
// Publishers wait until their reading of 100 bytes is on disk before they publish the
// next. bbolt and SQLite have one writer that puts all that wait into one transaction;
// the hub and JetStream have their own ways. dev-B/op are the bytes that the process
// sent to the block device (/proc/self/io), without the file system's journal.
package beside
