// TopicdSensor - an ESP32 or ESP8266 that publishes a temperature and takes a command.
//
// Put topicd.h, topicd.c, topicd_dnssd.h and topicd_dnssd.c from firmware-notes/c into this
// folder. No library is needed: the hub is found with a query of our own over WiFiUDP, whose
// answer is a unicast that reaches a radio that sleeps (../../discovery.md says how to do it
// with ESPmDNS instead). The last good address is kept in flash and tried first, and with it
// the token that the hub gives to a device that joins.
//
// Not compiled here: there is no Arduino core in Debian. The tests compile it with g++
// against small stand-ins for the core's classes and run it so against the real hub.

#ifdef ESP8266
#include <EEPROM.h>
#include <ESP8266WiFi.h>
#else
#include <Preferences.h>
#include <WiFi.h>
#endif
#include <WiFiUdp.h>

#include "topicd.h"
#include "topicd_dnssd.h"

static const char *SSID = "your network";
static const char *PASSWORD = "your password";
static const char *DEVICE = "greenhouse-1"; // its name at the hub: another one on each board
static const char *HUB_ID = NULL;           // TXT id of your hub, when there are several
static const int LED = 2;
static const unsigned long EVERY = 10000;  // ms between readings
static const unsigned long SILENCE = 70000; // the hub pings each 45 s and gives 25 for the pong

static WiFiClient client;
static uint32_t tx[48];
static uint8_t rx[256];
static td_out out = {tx, sizeof tx, 0, 0, 0};
static td_in in = {rx, sizeof rx, 0, 0, 0};
static td_topic temp = {"greenhouse/1/temp", 0};
static td_topic fan = {"greenhouse/1/fan", 0};

// As it is kept in flash. The token is said to the hub that gave it, known by its id.
static struct { uint8_t ip[4]; uint16_t port; char path[65], id[17], token[TD_TOKEN]; } hub;
static bool online;            // the hub has said welcome
static unsigned long heard;    // when something came last
static unsigned long last;     // when we published last
static unsigned long holdOff;  // ms to publish nothing: the hub asked for it
static unsigned long opened;   // when the connection was made
static unsigned long backOff;  // ms to wait before the next one

static float temperature() { return 20.0f + (float)(millis() % 100) / 16.0f; } // your sensor here

#ifdef ESP8266
static uint32_t entropy() { return ESP.random(); }
static void loadHub() { EEPROM.begin(sizeof hub); EEPROM.get(0, hub); }
static void saveHub() { EEPROM.put(0, hub); EEPROM.commit(); } // writes only what has changed
#else
static uint32_t entropy() { return esp_random(); }
static void loadHub() {
  Preferences p;
  p.begin("topicd", true);
  p.getBytes("hub", &hub, sizeof hub);
  p.end();
}
static void saveHub() {
  Preferences p;
  p.begin("topicd", false);
  p.putBytes("hub", &hub, sizeof hub);
  p.end();
}
#endif

static td_out *fresh() { // each frame has a new mask
  out.mask = entropy();
  return &out;
}

static void sendBytes(const uint8_t *p) {
  if (p == NULL || out.len == out.cap || client.write(p, out.len) != out.len) client.stop();
}

// Asks the network for a hub, 3 times 5 seconds, with the radio awake.
static bool findHub() {
  static uint8_t packet[1440];
  WiFiUDP udp;
  td_hub found;
  bool ok = false;
#ifdef ESP8266
  WiFi.setSleepMode(WIFI_NONE_SLEEP);
#else
  WiFi.setSleep(false);
#endif
  udp.begin(49200 + entropy() % 16000);
  for (int i = 0; i < 3 && !ok; i++) {
#ifdef ESP8266
    udp.beginPacketMulticast(IPAddress(224, 0, 0, 251), 5353, WiFi.localIP());
#else
    udp.beginPacket(IPAddress(224, 0, 0, 251), 5353);
#endif
    udp.write(td_dnssd_query, sizeof td_dnssd_query);
    udp.endPacket();
    for (unsigned long begin = millis(); millis() - begin < 5000 && !ok; delay(10)) {
      if (udp.parsePacket() <= 0) continue;
      int n = udp.read(packet, sizeof packet);
      const char *id = hub.token[0] && hub.id[0] ? hub.id : HUB_ID;
      if (n <= 0 || !td_dnssd_answer(packet, (size_t)n, id, &found) || found.tls) continue;
      IPAddress from = udp.remoteIP();
      for (int k = 0; k < 4; k++) hub.ip[k] = found.ip[0] ? found.ip[k] : from[k];
      hub.port = found.port;
      memcpy(hub.path, found.path, sizeof hub.path);
      memcpy(hub.id, found.id, sizeof hub.id);
      ok = true;
    }
  }
  udp.stop();
#ifdef ESP8266
  WiFi.setSleepMode(WIFI_MODEM_SLEEP);
#else
  WiFi.setSleep(true);
#endif
  return ok;
}

static bool openHub() {
  char host[24];
  if (hub.path[0] != '/' || hub.path[64] || hub.id[16] || hub.token[TD_TOKEN - 1]) memset(&hub, 0, sizeof hub); // empty flash
  if (hub.port == 0) return false;
  if (!client.connect(IPAddress(hub.ip[0], hub.ip[1], hub.ip[2], hub.ip[3]), hub.port)) return false;
  client.setNoDelay(true);
  snprintf(host, sizeof host, "%d.%d.%d.%d:%u", hub.ip[0], hub.ip[1], hub.ip[2], hub.ip[3], hub.port);
  in.len = in.done = 0;
  temp.alias = 0; // aliases end with the connection
  online = false;
  heard = millis();
  td_handshake(&out, host, hub.path);
  sendBytes((const uint8_t *)tx);
  return client.connected();
}

static void sendReading() {
  if (temp.alias) { // 9 bytes, 15 on the wire
    sendBytes(td_pub_float(fresh(), &temp, temperature()));
    return;
  }
  td_begin(fresh(), TD_PUB, &temp); // with an id: its answer brings the alias
  td_id(&out, 1);
  td_key(&out, TD_K_DATA);
  td_senml(&out, NULL, "Cel", temperature(), 0);
  sendBytes(td_frame(&out, TD_WS_BINARY));
}

static void handle(int op, td_val m) {
  td_val v = m, w;
  unsigned code = 0;
  switch (op) {
    case TD_ACCEPTED:
      sendBytes(td_hello(fresh(), DEVICE, hub.token));
      break;
    case TD_WELCOME:
      if (online) break;
      online = true;
      opened = millis();
      holdOff = 0;
      td_token(&m, hub.token); // it has joined: into flash before anything else
      saveHub();
      last = millis() - EVERY;
      sendBytes(td_request(fresh(), TD_SUB, &fan, 2));
      break;
    case TD_WS_PING:
      sendBytes(td_control(fresh(), TD_WS_PONG, m.at, (size_t)(m.end - m.at)));
      break;
    case TD_OK:
      w = m;
      if (td_get(&v, TD_K_ID) && v.lo == 1 && td_get(&w, TD_K_TOPIC) && w.type == TD_UINT) temp.alias = w.lo;
      break;
    case TD_MSG: // true, 1, 0.7, {"on":true}, or SenML's vb
      if (!td_get(&v, TD_K_DATA)) break;
      w = v;
      if (v.type == TD_MAP && td_get(&w, td_label("on"))) v = w;
      w = v;
      if (v.type == TD_MAP && td_get(&w, 4)) v = w;
      digitalWrite(LED, v.type == TD_TRUE || (v.type == TD_UINT && v.lo) || (v.type >= TD_HALF && td_real(&v) > 0) ? HIGH : LOW);
      Serial.println("command");
      break;
    case TD_ERR: // protocol.md says what to do on each code
      if (!td_get(&v, TD_K_ERR)) break;
      w = v;
      holdOff = td_get(&w, td_label("retry")) ? w.lo : 0;
      w = v;
      if (td_get(&w, td_label("code"))) code = w.lo;
      if (code == 404) temp.alias = 0;
      if (!td_get(&v, td_label("msg")) || v.type != TD_TEXT) break;
      Serial.print(code);
      Serial.print(' ');
      Serial.write((const uint8_t *)td_chars(&v), v.lo);
      Serial.println("");
      // To our hello. The next connection asks again, without a token that the hub does not know;
      // flash keeps it until there is another one.
      if (code == 401 && !online) {
        if (holdOff == 0) hub.token[0] = 0;
        client.stop();
      }
      break;
    case TD_WS_CLOSE:
    case TD_BYE:
    case '3': case '4': case '5': // HTTP said no
      client.stop();
      break;
  }
}

// Not all boards at once, and slower each time while it does not last.
static void offline() {
  client.stop();
  if (online && millis() - opened > 60000) backOff = 1000;
  online = false;
  if (backOff) delay(backOff / 2 + entropy() % (backOff / 2));
  backOff = backOff == 0 ? 1000 : backOff < 30000 ? backOff * 2 : 30000;
  if (!openHub() && findHub()) openHub();
}

void setup() {
  Serial.begin(115200);
  pinMode(LED, OUTPUT);
  WiFi.mode(WIFI_STA);
  WiFi.begin(SSID, PASSWORD);
  loadHub();
}

void loop() {
  if (WiFi.status() != WL_CONNECTED) {
    delay(100);
    return;
  }
  if (!client.connected() && client.available() == 0) {
    if (online) Serial.println("lost");
    offline();
    return;
  }
  if (client.available() > 0 && in.len < in.cap) {
    int n = client.read(rx + in.len, in.cap - in.len);
    if (n > 0) {
      in.len += (size_t)n;
      heard = millis();
    }
  }
  td_val m;
  int op;
  while ((op = td_poll(&in, &m)) > 0) handle(op, m);
  if (op < 0 || millis() - heard > SILENCE) client.stop();
  if (online && client.connected() && millis() - last >= EVERY + holdOff) {
    last = millis();
    holdOff = 0;
    sendReading();
  }
  delay(5);
}
