package main

import (
	"time"

	"topicd/node/durable"
	"topicd/node/uplink"
	"topicd/node/web"
)

// openUplink makes what sends readings up and what takes those of gateways. What is
// wrong with a setting is said here and in `topicd status`; the hub serves on.
func (s *server) openUplink() {
	own := ""
	var err error
	if len(s.set.Uplink.URLs) > 0 && s.disk != nil {
		o := s.set.Uplink
		o.Version, o.AsIs = version, s.set.UplinkEnc == "asis"
		o.Hub, o.Store, o.Log, o.Plain = s.hub, s.disk.Store, s.log, durable.Data
		if s.uplink, err = uplink.New(o); err != nil {
			s.log.Error("the uplink cannot start", "err", err)
		}
		own = s.uplink.Status().Site
	}
	if len(s.set.Center.URLs) > 0 {
		o := s.set.Center
		o.Version, o.Hub, o.Log = version, s.hub, s.log
		if s.feed, err = uplink.NewFeed(o, own); err != nil {
			s.log.Error("readings of gateways cannot be taken", "err", err)
		}
	}
}

// startUplink begins to connect.
func (s *server) startUplink() {
	if s.uplink != nil {
		s.disk.Notify(s.uplink.Notify)
		if err := s.uplink.Start(); err != nil {
			s.log.Error("nothing goes up", "err", err)
		}
	}
	if s.feed != nil {
		if err := s.feed.Start(); err != nil {
			s.log.Error("nothing comes from gateways", "err", err)
		}
	}
}

// stopUplink ends both. What is on disk and not sent has half a second.
func (s *server) stopUplink() {
	if s.feed != nil {
		s.feed.Stop()
	}
	if s.uplink != nil {
		if s.disk.Store.Sync() == nil {
			s.uplink.Flush(500 * time.Millisecond)
		}
		s.uplink.Stop()
	}
}

// uplinkStatus is the uplink's part of the hub's status, nil without one.
func (s *server) uplinkStatus() *web.Uplink {
	if s.uplink == nil {
		return nil
	}
	st := s.uplink.Status()
	return &web.Uplink{
		To: st.Servers + " as " + st.Site, State: st.State.String(), Up: st.State == uplink.Up, Down: int64(st.Down / time.Second),
		Waiting: int64(st.PendingReadings), Reason: st.Words,
	}
}

// uplinkMetrics appends what the uplink and the feed count.
func (s *server) uplinkMetrics(b []byte) []byte {
	var st uplink.Status // off
	if s.uplink != nil {
		st = s.uplink.Status()
	}
	b = st.AppendMetrics(b)
	if s.feed != nil {
		st := s.feed.Status()
		b = st.AppendMetrics(b)
	}
	return s.ha.AppendMetrics(b)
}
