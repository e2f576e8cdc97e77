#include "Arduino.h"
// Says nothing: a test never asks the machine's own networks.
struct WiFiUDP {
  uint8_t begin(uint16_t) { return 1; }
  int beginPacket(IPAddress, uint16_t) { return 1; }
  int beginPacketMulticast(IPAddress, uint16_t, IPAddress) { return 1; }
  size_t write(const uint8_t *, size_t n) { return n; }
  int endPacket() { return 1; }
  int parsePacket() { return 0; }
  int read(uint8_t *, size_t) { return 0; }
  IPAddress remoteIP() { return IPAddress(); }
  void stop() {}
};
