package show

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// keysOf has a terminal give its keys at once and show none of them, until restore
// is called. Ctrl-C stays a signal.
func keysOf(in any) (restore func(), err error) {
	f, ok := in.(*os.File)
	if !ok {
		return nil, errors.New("no terminal")
	}
	fd := int(f.Fd())
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	keys := *old
	keys.Lflag &^= unix.ICANON | unix.ECHO
	keys.Cc[unix.VMIN], keys.Cc[unix.VTIME] = 1, 0
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, old) }, unix.IoctlSetTermios(fd, unix.TCSETS, &keys)
}

// sizeOf is the terminal's width and height.
func sizeOf(out any) (width, height int) {
	if f, ok := out.(*os.File); ok {
		if s, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && s.Col > 0 {
			return int(s.Col), int(s.Row)
		}
	}
	return 80, 24
}
