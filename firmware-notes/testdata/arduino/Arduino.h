// Stand-ins for the parts of the Arduino core that the sketches use, over Linux: for the
// tests only. They prove that the sketch is C++ and speaks to the hub, not that a core takes it.
#pragma once
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LOW, HIGH, OUTPUT = 3, WIFI_STA = 1, WL_CONNECTED = 3, WIFI_NONE_SLEEP = 0, WIFI_MODEM_SLEEP = 2 };
static inline unsigned long millis() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (unsigned long)t.tv_sec * 1000 + (unsigned long)t.tv_nsec / 1000000;
}
static inline void delay(unsigned long ms) { usleep((useconds_t)ms * 1000); }
static inline void pinMode(int, int) {}
static inline void digitalWrite(int pin, int v) { printf("pin %d %d\n", pin, v); }
static inline uint32_t esp_random() {
  uint32_t v = 0;
  if (getrandom(&v, sizeof v, 0) != sizeof v) abort();
  return v;
}
struct EspClass {
  uint32_t random() { return esp_random(); }
  uint32_t getChipId() { return 0xc0ffee; }
  uint64_t getEfuseMac() { return 0xc0ffee010203; }
};
inline EspClass ESP;
struct Print {
  void println(const char *s) { puts(s); }
  void print(unsigned n) { printf("%u", n); }
  void print(char c) { putchar(c); }
  void write(const uint8_t *p, size_t n) { fwrite(p, 1, n, stdout); }
};
struct SerialClass : Print {
  void begin(int) { setvbuf(stdout, NULL, _IOLBF, 0); }
};
inline SerialClass Serial;

struct IPAddress {
  uint8_t b[4];
  IPAddress(uint8_t a = 0, uint8_t c = 0, uint8_t d = 0, uint8_t e = 0) : b{a, c, d, e} {}
  uint8_t operator[](int i) const { return b[i]; }
  sockaddr_in to(uint16_t port) const {
    sockaddr_in a = {};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    memcpy(&a.sin_addr, b, 4);
    return a;
  }
};

struct WiFiClass {
  void mode(int) {}
  void begin(const char *, const char *) {}
  int status() { return WL_CONNECTED; }
  void setSleep(bool) {}
  void setSleepMode(int) {}
  IPAddress localIP() { return IPAddress(127, 0, 0, 1); }
} WiFi;

class WiFiClient {
  int fd = -1;

 public:
  int connect(IPAddress ip, uint16_t port) {
    stop();
    sockaddr_in a = ip.to(port);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(fd, (sockaddr *)&a, sizeof a) == 0) return 1;
    stop();
    return 0;
  }
  void setNoDelay(bool) {}
  void setTimeout(unsigned long) {}
  int available() {
    int n = 0;
    return fd < 0 || ioctl(fd, FIONREAD, &n) != 0 ? 0 : n;
  }
  uint8_t connected() {
    pollfd p = {fd, POLLIN, 0};
    char c;
    if (fd < 0) return 0;
    return poll(&p, 1, 0) <= 0 || recv(fd, &c, 1, MSG_PEEK) > 0;
  }
  int read(uint8_t *p, size_t n) { return (int)recv(fd, p, n, 0); }
  size_t write(const uint8_t *p, size_t n) {
    ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
    return k < 0 ? 0 : (size_t)k;
  }
  void stop() {
    if (fd >= 0) close(fd);
    fd = -1;
  }
};

// The flash is the file $FLASH. While there is none it holds the address in $HUB_PORT of this
// machine, and the path /ws.
static inline size_t flash(void *p, size_t n) {
  const char *port = getenv("HUB_PORT");
  uint8_t *b = (uint8_t *)p;
  FILE *f = getenv("FLASH") ? fopen(getenv("FLASH"), "r") : NULL;
  if (f) {
    n = fread(p, 1, n, f);
    fclose(f);
    return n;
  }
  if (!port || n < 71) return 0;
  memset(b, 0, n);
  uint16_t v = (uint16_t)atoi(port);
  memcpy(b, "\x7f\0\0\1", 4);
  memcpy(b + 4, &v, 2);
  memcpy(b + 6, "/ws", 3);
  return n;
}
static inline size_t save(const void *p, size_t n) {
  FILE *f = getenv("FLASH") ? fopen(getenv("FLASH"), "w") : NULL;
  if (f && (fwrite(p, 1, n, f) != n || fclose(f) != 0)) abort();
  puts("saved");
  return n;
}
