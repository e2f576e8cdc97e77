// TopicdClient.h - the class Topicd for sketches on ESP32 and ESP8266:
//
//      Topicd hub;
//      hub.begin();                        // in setup, after WiFi.begin
//      hub.publish("greenhouse/temp", 21.5);
//
// It finds the hub by mDNS, connects again by itself and keeps the token that the hub gives to a
// device that joins: in Preferences on ESP32 (namespace topicd), in the first bytes of EEPROM on
// ESP8266. Call hub.wait(ms) instead of delay(ms): it answers the hub meanwhile.
#pragma once

#include <Arduino.h>

#ifdef ESP8266
#include <EEPROM.h>
#include <ESP8266WiFi.h>
#include <WiFiUdp.h>

#include "TopicdSession.h"
typedef TopicdSession TopicdBoard;
#else
#include <Preferences.h>
#include <WiFi.h>

#include "TopicdSockets.h"
typedef TopicdSockets TopicdBoard;
#endif

class Topicd : public TopicdBoard {
 public:
  // device is this board's name at the hub; without one it is made of the chip's number.
  void begin(const char *device = NULL) {
    if (device == NULL) {
#ifdef ESP8266
      snprintf(name_, sizeof name_, "esp8266-%06x", (unsigned)ESP.getChipId());
#else
      snprintf(name_, sizeof name_, "esp32-%08x", (unsigned)(ESP.getEfuseMac() >> 16));
#endif
      device = name_;
    }
    TopicdBoard::begin(device);
  }

  // Where multicast does not come through: hub.begin("me"); hub.at(IPAddress(192, 168, 1, 7));
  void at(IPAddress ip, uint16_t port = 22345, const char *path = "/ws") {
    uint8_t b[4] = {ip[0], ip[1], ip[2], ip[3]};
    connectTo(b, port, path);
  }

  // Waits, and keeps the connection meanwhile.
  void wait(unsigned long ms) {
    unsigned long begun = millis();
    do {
      loop();
      delay(5);
    } while (millis() - begun < ms);
  }

  // Where what happens is said: hub.log(Serial).
  void log(Print &to) { log_ = &to; }

 protected:
  bool network() override { return WiFi.status() == WL_CONNECTED; }
  uint32_t now() override { return millis(); }
  void changed(const char *what) override {
    if (log_) log_->println(what);
  }

  void load(TopicdSaved *saved) override {
#ifdef ESP8266
    EEPROM.begin(sizeof *saved);
    EEPROM.get(0, *saved);
#else
    Preferences p;
    p.begin("topicd", true);
    p.getBytes("hub", saved, sizeof *saved);
    p.end();
#endif
  }
  void save(const TopicdSaved &saved) override {
#ifdef ESP8266
    EEPROM.put(0, saved); // writes only what has changed
    EEPROM.commit();
#else
    TopicdSaved old = {};
    Preferences p;
    p.begin("topicd", false);
    p.getBytes("hub", &old, sizeof old);
    if (memcmp(&old, &saved, sizeof old) != 0) p.putBytes("hub", &saved, sizeof saved);
    p.end();
#endif
  }

#ifdef ESP8266
  uint32_t random() override { return ESP.random(); }
  bool tcpOpen(const uint8_t ip[4], uint16_t port) override {
    client_.setTimeout(2000);
    if (!client_.connect(IPAddress(ip[0], ip[1], ip[2], ip[3]), port)) return false;
    client_.setNoDelay(true);
    return true;
  }
  int tcpRead(uint8_t *to, size_t size) override {
    int n = client_.available();
    if (n > 0) return client_.read(to, (size_t)n < size ? (size_t)n : size);
    return client_.connected() ? 0 : -1;
  }
  bool tcpWrite(const uint8_t *p, size_t n) override { return client_.write(p, n) == n; }
  void tcpClose() override { client_.stop(); }

  // The radio stays awake while an answer is awaited: asleep it misses multicast.
  bool ask(const uint8_t *query, size_t n) override {
    WiFi.setSleepMode(WIFI_NONE_SLEEP);
    udp_.begin(49200 + random() % 16000);
    udp_.beginPacketMulticast(IPAddress(224, 0, 0, 251), 5353, WiFi.localIP());
    udp_.write(query, n);
    return udp_.endPacket() == 1;
  }
  int answer(uint8_t *to, size_t size, uint8_t ip[4]) override {
    if (udp_.parsePacket() <= 0) return 0;
    IPAddress from = udp_.remoteIP();
    for (int i = 0; i < 4; i++) ip[i] = from[i];
    return udp_.read(to, size);
  }
  void askEnd() override {
    udp_.stop();
    WiFi.setSleepMode(WIFI_MODEM_SLEEP);
  }
#else
  uint32_t random() override { return esp_random(); }
  bool ask(const uint8_t *query, size_t n) override {
    WiFi.setSleep(false);
    return TopicdBoard::ask(query, n);
  }
  void askEnd() override {
    TopicdBoard::askEnd();
    WiFi.setSleep(true);
  }
#endif

 private:
  char name_[20] = "";
  Print *log_ = NULL;
#ifdef ESP8266
  WiFiClient client_;
  WiFiUDP udp_;
#endif
};
