package state

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"unicode/utf8"
)

// AdminFile is the file of the admin token, for this machine's commands.
const AdminFile = "admin-token"

// AdminToken reads the admin token; where own, the file is the state's and the
// token is made at the first start. newToken makes one.
func AdminToken(file string, own bool, log *slog.Logger, newToken func() string) (token string, made bool, err error) {
	good := func(text []byte) error {
		token = strings.TrimSpace(string(text))
		return checkAdmin(token)
	}
	if own {
		if ok, err := Read(file, log, "a new admin token is made", good); ok || err != nil {
			warnReadable(file, log)
			return token, false, err
		}
		token = newToken()
		return token, true, Write(file, []byte(token+"\n"))
	}
	text, err := os.ReadFile(file)
	if err == nil {
		err = good(text)
	}
	if err != nil {
		return "", false, &os.PathError{Op: "read", Path: file, Err: unwrapPath(err)}
	}
	warnReadable(file, log)
	return token, false, nil
}

func unwrapPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func warnReadable(file string, log *slog.Logger) {
	if i, err := os.Stat(file); err == nil && i.Mode().Perm()&0o007 != 0 {
		log.Warn("others may read the admin token: chmod 600", "file", file, "mode", i.Mode().Perm())
	}
}

// checkAdmin tells what a power cut left of a token from the token: people choose
// what can be typed, and one that we made has its length.
func checkAdmin(token string) error {
	switch {
	case token == "":
		return errors.New("it is empty")
	case strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }):
		return errors.New("it holds what no token does")
	case strings.HasPrefix("tpd_", token), strings.HasPrefix(token, "tpd_") && len(token) != len("tpd_")+43:
		return errors.New("it is not whole")
	}
	return nil
}
