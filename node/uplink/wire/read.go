package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// line reads one line of the protocol.
func (c *Conn) line() (string, error) {
	b, err := c.lineBytes(nil)
	return string(b), err
}

// lineBytes reads a line into a buffer of the reader, or into long when it is longer.
func (c *Conn) lineBytes(long []byte) ([]byte, error) {
	for {
		b, err := c.r.ReadSlice('\n')
		switch {
		case err == nil && long == nil:
			return trimLine(b), nil
		case err == nil:
			return trimLine(append(long, b...)), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			if errors.Is(err, io.EOF) {
				err = errCloseByHim
			}
			return nil, err
		}
		if long = append(long, b...); len(long) > maxLine {
			return nil, errMalformed
		}
	}
}

func trimLine(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}

// readLoop takes what the server says.
func (c *Conn) readLoop() error {
	for {
		line, err := c.lineBytes(nil)
		if err != nil {
			return err
		}
		op := line
		for i, ch := range line {
			if ch == ' ' {
				op = line[:i]
				break
			}
		}
		switch string(op) {
		case "MSG", "HMSG":
			if err := c.message(string(line)); err != nil {
				return err
			}
		case "PING":
			if err := c.say("PONG\r\n"); err != nil {
				return err
			}
		case "PONG":
			c.pings.Store(0)
		case "+OK", "INFO", "":
		case "-ERR":
			words := quoted(string(line))
			if low := strings.ToLower(words); strings.HasPrefix(low, "permissions violation") || strings.HasPrefix(low, "invalid") || strings.HasPrefix(low, "maximum subscriptions") {
				select {
				case c.denied <- words:
				default:
				}
				if c.opt.Denied != nil {
					c.opt.Denied(words)
				}
				continue
			} else if strings.HasPrefix(low, "authorization") || strings.HasPrefix(low, "user authentication") || strings.HasPrefix(low, "account authentication") {
				return &Denied{words}
			}
			return errors.New("the server says: " + words)
		default:
			return errMalformed
		}
	}
}

// message reads a message: MSG subject sid [reply] n, HMSG subject sid [reply] head n.
func (c *Conn) message(line string) error {
	var parts [6]string
	n := 0
	for rest := line; rest != "" && n < len(parts); {
		var word string
		word, rest, _ = strings.Cut(rest, " ")
		if word != "" {
			parts[n] = word
			n++
		}
	}
	least := 4
	if parts[0] == "HMSG" {
		least = 5
	}
	if n != least && n != least+1 {
		return errMalformed
	}
	m := &Msg{Subject: parts[1]}
	id, err := strconv.ParseUint(parts[2], 10, 64)
	if n == least+1 {
		m.Reply = parts[3]
	}
	size, err2 := strconv.Atoi(parts[n-1])
	head, err3 := 0, error(nil)
	if least == 5 {
		head, err3 = strconv.Atoi(parts[n-2])
	}
	if errors.Join(err, err2, err3) != nil || head < 0 || size < head || size > maxBody {
		return errMalformed
	}
	c.mu.Lock()
	s := c.subs[id]
	c.mu.Unlock()
	if !s.takes(size) {
		if _, err := c.r.Discard(size + 2); err != nil {
			return fmt.Errorf("in a message: %w", err)
		}
		return nil
	}
	b := make([]byte, size+2)
	if _, err := io.ReadFull(c.r, b); err != nil {
		return fmt.Errorf("in a message: %w", err)
	}
	if m.Data = b[head:size:size]; head > 0 {
		m.Head = b[:head:head]
	}
	m.sub = s
	s.held.Add(int64(size))
	select {
	case s.ch <- m:
	default:
		m.Taken()
		s.dropped.Add(1)
	}
	return nil
}
