//go:build !packaging

package main

func (a *app) extra() []*command { return nil }
