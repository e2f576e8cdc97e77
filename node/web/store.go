package web

import (
	"topicd/node/exposition"
	"topicd/node/store"
)

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
func storeMetrics(b *exposition.Text, s *store.Store) {
	st := s.Stats()
	b.Gauge("store_bytes", "Bytes on disk of durable topics, all that lies in the store's directory.", st.Bytes)
	b.Gauge("store_budget_bytes", "Bytes on disk that durable topics may have.", st.Budget)
	b.Gauge("store_topics", "Durable topics that have readings.", int64(st.Topics))
	b.Gauge("store_pending_bytes", "Bytes that wait to be written.", int64(st.Pending))
	b.Gauge("store_failed", "1 while the store cannot write: the disk is full or fails.", exposition.Bit(s.State().Trouble != store.OK))
	b.Counter("store_readings_total", "Readings stored on disk.", int64(st.Readings))
	b.Counter("store_written_bytes_total", "Bytes written to the store's files.", int64(st.Written))
	b.Counter("store_syncs_total", "Times that what was written was made durable (fsync).", int64(st.Syncs))
	b.Counter("store_refused_total", "Readings of durable topics that were delivered and are not on disk, because the store could not take them.", int64(st.Refused))
	b.Counter("store_torn_total", "Unfinished ends of files that were cut at a start.", int64(st.Torn))
	b.Family("store_errors_total", "counter", "Failures to write, by reason.")
	b.Sample("store_errors_total", "reason", "full", int64(st.ErrFull))
	b.Sample("store_errors_total", "reason", "io", int64(st.ErrIO))
	b.Family("store_lost_total", "counter", "Readings that were stored and are gone, by reason.")
	b.Sample("store_lost_total", "reason", "bytes", int64(st.LostBytes))
	b.Sample("store_lost_total", "reason", "age", int64(st.LostAge))
	b.Sample("store_lost_total", "reason", "damaged", int64(st.LostDamaged))
}
