package web

import "topicd/node/store"

// storeTrouble is why durable topics cannot be written, "" = they can, or there are
// none.
func (s *server) storeTrouble() string {
	if s.Store == nil {
		return ""
	}
	if st := s.Store.State(); st.Trouble != store.OK {
		return st.Reason
	}
	return ""
}

// storeMetrics are the figures of durable topics.
func (b *exposition) store(s *store.Store) {
	st := s.Stats()
	failed := int64(0)
	if s.State().Trouble != store.OK {
		failed = 1
	}
	b.gauge("store_bytes", "Bytes on disk of durable topics, all that lies in the store's directory.", st.Bytes)
	b.gauge("store_budget_bytes", "Bytes on disk that durable topics may have.", st.Budget)
	b.gauge("store_topics", "Durable topics that have readings.", int64(st.Topics))
	b.gauge("store_pending_bytes", "Bytes that wait to be written.", int64(st.Pending))
	b.gauge("store_failed", "1 while the store cannot write: the disk is full or fails.", failed)
	b.counter("store_readings_total", "Readings stored on disk.", st.Readings)
	b.counter("store_written_bytes_total", "Bytes written to the store's files.", st.Written)
	b.counter("store_syncs_total", "Times that what was written was made durable (fsync).", st.Syncs)
	b.counter("store_refused_total", "Readings of durable topics that were delivered and are not on disk, because the store could not take them.", st.Refused)
	b.counter("store_torn_total", "Unfinished ends of files that were cut at a start.", st.Torn)
	b.family("store_errors_total", "counter", "Failures to write, by reason.")
	b.sample("store_errors_total", "reason", "full", int64(st.ErrFull))
	b.sample("store_errors_total", "reason", "io", int64(st.ErrIO))
	b.family("store_lost_total", "counter", "Readings that were stored and are gone, by reason.")
	b.sample("store_lost_total", "reason", "bytes", int64(st.LostBytes))
	b.sample("store_lost_total", "reason", "age", int64(st.LostAge))
	b.sample("store_lost_total", "reason", "damaged", int64(st.LostDamaged))
}
