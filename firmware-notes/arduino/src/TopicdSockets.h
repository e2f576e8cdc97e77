// TopicdSockets.h - the connection over BSD sockets that do not wait: lwIP of ESP32 (Arduino and
// ESP-IDF), Linux. What is left to the board: network, random, now, load and save.
#pragma once

#include <errno.h>
#include <fcntl.h>
#ifdef ESP_PLATFORM
#include <lwip/sockets.h>
#else
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/select.h>
#include <sys/socket.h>
#endif
#include <unistd.h>

#include "TopicdSession.h"

class TopicdSockets : public TopicdSession {
 protected:
  TopicdSockets() : tcp_(-1), udp_(-1) {}
  ~TopicdSockets() override {
    end(&tcp_);
    end(&udp_);
  }

  bool tcpOpen(const uint8_t ip[4], uint16_t port) override {
    sockaddr_in to = address(ip, port);
    int on = 1;
    tcp_ = quiet(SOCK_STREAM);
    if (tcp_ < 0) return false;
    setsockopt(tcp_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return ::connect(tcp_, (sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS;
  }

  bool tcpOpened() override {
    fd_set set;
    timeval none = {};
    int err = 0;
    socklen_t n = sizeof err;
    if (tcp_ < 0) return false;
    FD_ZERO(&set);
    FD_SET(tcp_, &set);
    if (select(tcp_ + 1, NULL, &set, NULL, &none) != 1) return false;
    if (getsockopt(tcp_, SOL_SOCKET, SO_ERROR, &err, &n) == 0 && err == 0) return true;
    end(&tcp_); // refused: the session gives it up in a few seconds
    return false;
  }

  int tcpRead(uint8_t *to, size_t size) override { return got(tcp_, recv(tcp_, to, size, 0)); }

  // A frame is smaller than any send buffer: when it does not fit, nobody has read for long.
  bool tcpWrite(const uint8_t *p, size_t n) override {
#ifdef MSG_NOSIGNAL
    return send(tcp_, p, n, MSG_NOSIGNAL) == (ssize_t)n;
#else
    return send(tcp_, p, n, 0) == (ssize_t)n;
#endif
  }

  void tcpClose() override { end(&tcp_); }

  bool ask(const uint8_t *query, size_t n) override {
    static const uint8_t group[4] = {224, 0, 0, 251};
    sockaddr_in to = address(group, 5353);
    if (udp_ < 0) udp_ = quiet(SOCK_DGRAM);
    return udp_ >= 0 && sendto(udp_, query, n, 0, (sockaddr *)&to, sizeof to) == (ssize_t)n;
  }

  int answer(uint8_t *to, size_t size, uint8_t ip[4]) override {
    sockaddr_in from = {};
    socklen_t n = sizeof from;
    ssize_t k = recvfrom(udp_, to, size, 0, (sockaddr *)&from, &n);
    memcpy(ip, &from.sin_addr, 4);
    return k > 0 ? (int)k : 0;
  }

  void askEnd() override { end(&udp_); }

 private:
  static sockaddr_in address(const uint8_t ip[4], uint16_t port) {
    sockaddr_in a = {};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    memcpy(&a.sin_addr, ip, 4);
    return a;
  }
  static int quiet(int type) {
    int fd = socket(AF_INET, type, 0);
    if (fd >= 0) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
    return fd;
  }
  static int got(int fd, ssize_t n) {
    if (n > 0) return (int)n;
    return fd >= 0 && n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -1;
  }
  static void end(int *fd) {
    if (*fd >= 0) ::close(*fd);
    *fd = -1;
  }

  int tcp_, udp_;
};
