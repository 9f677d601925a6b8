package main

import "golang.org/x/sys/unix"

// quiet has a terminal show no ^C, which would stand in the midst of the bars and push
// them aside. What it returns undoes that.
func quiet(fd int) (loud func()) {
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {}
	}
	now := *was
	now.Lflag &^= unix.ECHOCTL
	if unix.IoctlSetTermios(fd, unix.TCSETS, &now) != nil {
		return func() {}
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, was) }
}
