//go:build !unix

package bench

func ownUsage() usage { return usage{} }
