//go:build !packaging

package command

func (t *Table) extra() []*Command { return nil }
