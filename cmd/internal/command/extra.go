//go:build !packaging

package command

func (t *Table) extra() []func() *Command { return nil }
