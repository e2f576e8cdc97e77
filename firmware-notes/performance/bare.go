//go:build ignore

// bare ADDR is the least that a reader of WebSocket frames does: it accepts the
// handshake, parses frames, unmasks and counts them, and answers nothing. What a hub
// costs beside it is what the hub does with a reading. So that the load generator
// knows when to send, the first connection is told the count, at most every 2 ms.
// bare.c is the same in C.
package main

import (
	"bytes"
	"encoding/binary"
	"log"
	"net"
	"os"
	"syscall"
	"time"
)

// hello answers the key that the generator sends always, which is RFC 6455's example.
const hello = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

type conn struct {
	open bool   // the handshake is done
	rest []byte // the beginning of a frame
}

type reader struct {
	poll, listener int
	conns          map[int]*conn
	buf            [64 << 10]byte
	count, told    uint64
	teller         int // the descriptor that is told the count; 0 = none yet
}

func main() {
	addr, err := net.ResolveTCPAddr("tcp4", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	r := &reader{conns: map[int]*conn{}}
	r.listener = must(syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0))
	_ = syscall.SetsockoptInt(r.listener, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	must(0, syscall.Bind(r.listener, &syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}))
	must(0, syscall.Listen(r.listener, 4096))
	r.poll = must(syscall.EpollCreate1(0))
	r.add(r.listener)
	r.loop()
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func (r *reader) add(fd int) {
	must(0, syscall.EpollCtl(r.poll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}))
}

func (r *reader) loop() {
	events := make([]syscall.EpollEvent, 256)
	for last := time.Now(); ; {
		wait := -1
		if r.count != r.told {
			wait = 2
		}
		n, _ := syscall.EpollWait(r.poll, events, wait)
		for _, e := range events[:max(n, 0)] {
			if int(e.Fd) == r.listener {
				r.accept()
			} else if !r.read(int(e.Fd)) {
				_ = syscall.Close(int(e.Fd))
				delete(r.conns, int(e.Fd))
			}
		}
		if now := time.Now(); r.count != r.told && now.Sub(last) >= 2*time.Millisecond {
			_, _ = syscall.Write(r.teller, binary.BigEndian.AppendUint64([]byte{0x82, 8}, r.count))
			r.told, last = r.count, now
		}
	}
}

func (r *reader) accept() {
	fd, _, err := syscall.Accept4(r.listener, syscall.SOCK_NONBLOCK)
	if err != nil {
		return
	}
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	r.conns[fd] = &conn{}
	r.add(fd)
}

// read takes what a socket has; false ends the connection.
func (r *reader) read(fd int) bool {
	c := r.conns[fd]
	k := copy(r.buf[:], c.rest)
	n, err := syscall.Read(fd, r.buf[k:])
	if err == syscall.EAGAIN {
		return true
	}
	if err != nil || n == 0 {
		return false
	}
	b := r.buf[:k+n]
	if !c.open {
		head, rest, whole := bytes.Cut(b, []byte("\r\n\r\n"))
		if whole {
			if !bytes.HasPrefix(head, []byte("GET ")) {
				return false
			}
			if _, err := syscall.Write(fd, []byte(hello)); err != nil {
				return false
			}
			if r.teller == 0 {
				r.teller = fd
			}
			c.open, b = true, rest
		}
	}
	used, ok := 0, true
	if c.open {
		used, ok = r.frames(b)
	}
	c.rest = append(c.rest[:0], b[used:]...)
	return ok
}

// frames counts the whole frames in b and unmasks them; false: it is not one of a client.
func (r *reader) frames(b []byte) (used int, ok bool) {
	for {
		f := b[used:]
		if len(f) < 6 {
			return used, true
		}
		n, h := int(f[1]&0x7f), 6
		if f[0]&0x70 != 0 || f[1]&0x80 == 0 || n == 127 { // larger than the buffer
			return used, false
		}
		if n == 126 {
			if len(f) < 8 {
				return used, true
			}
			n, h = int(binary.BigEndian.Uint16(f[2:])), 8
		}
		if h+n > len(r.buf) {
			return used, false
		}
		if len(f) < h+n {
			return used, true
		}
		unmask(f[h:h+n], [4]byte(f[h-4:h]))
		switch f[0] & 0xf {
		case 0, 1, 2:
			r.count++
		case 8:
			return used, false
		}
		used += h + n
	}
}

func unmask(p []byte, key [4]byte) {
	k := uint64(binary.LittleEndian.Uint32(key[:]))
	for k |= k << 32; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^k)
	}
	for i := range p {
		p[i] ^= key[i&3]
	}
}
