#include "Arduino.h"
struct Preferences {
  bool begin(const char *, bool) { return true; }
  size_t getBytes(const char *, void *p, size_t n) { return flash(p, n); }
  size_t putBytes(const char *, const void *p, size_t n) { return save(p, n); }
  void end() {}
};
