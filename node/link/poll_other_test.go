//go:build !linux

package link

func (s *Server) ageSlots() {}
