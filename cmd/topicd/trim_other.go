//go:build !linux

package main

func trimProgram() {}
