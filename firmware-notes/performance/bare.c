//go:build ignore

// bare.go in C: it accepts the handshake, parses frames, unmasks and counts them.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { CONNS = 70000, BUF = 64 << 10 };
static struct conn { int open; size_t n; unsigned char *rest; } conns[CONNS];
static unsigned char buf[BUF];
static uint64_t count, told;
static int teller; // the descriptor that is told the count; 0 = none yet

// What answers the key that the generator sends always, which is RFC 6455's example.
static const char hello[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
  "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static void unmask(unsigned char *p, size_t n, const unsigned char *key) {
  uint64_t k, v;
  memcpy(&k, key, 4);
  memcpy((char *)&k + 4, key, 4);
  for (; n >= 8; p += 8, n -= 8) {
    memcpy(&v, p, 8);
    v ^= k;
    memcpy(p, &v, 8);
  }
  for (size_t i = 0; i < n; i++) p[i] ^= key[i & 3];
}

// frames counts the whole frames in b and unmasks them; -1: it is not one of a client.
static ssize_t frames(unsigned char *b, size_t len) {
  size_t used = 0;
  for (;;) {
    unsigned char *f = b + used;
    size_t have = len - used, h = 6;
    if (have < 6) return used;
    size_t n = f[1] & 0x7f;
    if ((f[0] & 0x70) || !(f[1] & 0x80) || n == 127) return -1; // 127: larger than the buffer
    if (n == 126) {
      if (have < 8) return used;
      n = f[2] << 8 | f[3];
      h = 8;
    }
    if (h + n > BUF) return -1;
    if (have < h + n) return used;
    unmask(f + h, n, f + h - 4);
    if ((f[0] & 15) <= 2) count++;
    if ((f[0] & 15) == 8) return -1;
    used += h + n;
  }
}

// take reads what a socket has; 0 ends the connection.
static int take(int fd) {
  struct conn *c = &conns[fd];
  unsigned char *b = buf;
  if (c->n) memcpy(buf, c->rest, c->n);
  ssize_t r = read(fd, buf + c->n, BUF - c->n), used = 0;
  if (r < 0 && errno == EAGAIN) return 1;
  if (r <= 0) return 0;
  size_t len = c->n + r;
  if (!c->open) {
    unsigned char *end = memmem(buf, len, "\r\n\r\n", 4);
    if (end) {
      if (memcmp(buf, "GET ", 4) || write(fd, hello, sizeof hello - 1) < 0) return 0;
      if (!teller) teller = fd;
      c->open = 1;
      b = end + 4;
      len -= b - buf;
    }
  }
  if (c->open && (used = frames(b, len)) < 0) return 0;
  c->n = len - used;
  if (c->n && !(c->rest = realloc(c->rest, c->n))) abort();
  if (c->n) memcpy(c->rest, b + used, c->n);
  return 1;
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void add(int ep, int fd) {
  struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
  epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

int main(int argc, char **argv) { // 127.0.0.1's PORT
  int one = 1, ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  a.sin_port = htons(argc > 1 ? atoi(argv[1]) : 0);
  setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(ls, (void *)&a, sizeof a) || listen(ls, 4096)) return perror("listen"), 1;
  add(ep, ls);
  struct epoll_event evs[256];
  for (int64_t last = now();;) {
    int n = epoll_wait(ep, evs, 256, count != told ? 2 : -1);
    for (int i = 0; i < n; i++) {
      int fd = evs[i].data.fd;
      if (fd != ls) {
        if (!take(fd)) close(fd);
        continue;
      }
      int c = accept4(ls, 0, 0, SOCK_NONBLOCK);
      if (c < 0) continue;
      if (c >= CONNS) { close(c); continue; }
      setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      conns[c].open = conns[c].n = 0;
      add(ep, c);
    }
    int64_t t = now();
    if (count != told && t - last >= 2000000) {
      unsigned char f[10] = {0x82, 8};
      uint64_t be = htobe64(count);
      memcpy(f + 2, &be, 8);
      if (write(teller, f, 10) < 0) perror("write");
      told = count;
      last = t;
    }
  }
}
