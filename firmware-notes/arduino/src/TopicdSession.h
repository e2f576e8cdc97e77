// TopicdSession.h - keeps one connection to a hub: finds it, says hello, answers its pings,
// connects again, keeps the token. Portable C++11 without exceptions and heap; the board's part
// is in the pure virtual functions at the end. Sketches use the class Topicd of TopicdClient.h.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "topicd.h"
#include "topicd_dnssd.h"

// What outlives a reboot: where the hub was last, and the token that it gave to this device.
struct TopicdSaved {
  uint8_t ip[4];
  uint16_t port;
  char path[65], id[17], token[TD_TOKEN];
};

// What a subscriber gets: a number, true or false, a text. Of a map it is the member `on`, or
// SenML's v, vb or vs. It lies in the receive buffer: good until the handler returns.
class TopicdValue {
 public:
  explicit TopicdValue(td_val v);
  bool on() const { return v_.type == TD_TRUE || number() != 0; }
  float number() const;
  // Copies a text, cut to size and with a 0 behind it; returns to.
  char *text(char *to, size_t size) const;
  bool isText() const { return v_.type == TD_TEXT; }
  const td_val &raw() const { return v_; }

 private:
  td_val v_;
};

class TopicdSession {
 public:
  typedef void (*Handler)(const char *topic, const TopicdValue &value);
  enum { TOPICS = 8, NAME = 120, TEXT = 120 };

  TopicdSession();
  virtual ~TopicdSession() {}

  // device is this board's name at the hub: another one on each board, it is kept by reference.
  void begin(const char *device);
  // Instead of mDNS, or where several hubs answer: an address, or the TXT id of the hub.
  void connectTo(const uint8_t ip[4], uint16_t port, const char *path = "/ws");
  void onlyHub(const char *id) { only_ = id; }
  // Does what is due and returns: call it often, publish does so too.
  void loop();

  bool online() const { return state_ == ONLINE; }
  // What the hub said last against what we did, "401 …", or ""; the code is like HTTP's.
  const char *error() const { return error_; }
  unsigned errorCode() const { return code_; }

  // Publishes a number, with its unit in SenML ("Cel", "%RH", "hPa") where there is one. False:
  // it was not sent, because there is no connection or the hub asked to wait.
  bool publish(const char *topic, float v, const char *unit = NULL);
  bool publish(const char *topic, double v, const char *unit = NULL) { return publish(topic, (float)v, unit); }
  bool publish(const char *topic, bool v);
  bool publish(const char *topic, const char *v);
  bool publish(const char *topic, int v) { return publish(topic, (long)v); }
  bool publish(const char *topic, unsigned v) { return publish(topic, (long)v); }
  bool publish(const char *topic, long v);
  bool publish(const char *topic, unsigned long v) { return publish(topic, (long)v); }

  // At most TOPICS, made again with each connection. The topic is kept by reference, and is a
  // name: of a pattern all that fits goes to the handler. False: there are too many.
  bool subscribe(const char *topic, Handler handler);

 protected:
  // What the board brings. Each returns at once, but tcpOpen may take a second or two.
  virtual bool network() = 0;                                  // has it an address?
  virtual bool tcpOpen(const uint8_t ip[4], uint16_t port) = 0;   // TCP, without Nagle's delay
  virtual bool tcpOpened() { return true; }                       // is the connection there? for a tcpOpen that does not wait
  virtual int tcpRead(uint8_t *to, size_t size) = 0;              // bytes, 0 when there are none, -1 when it is lost
  virtual bool tcpWrite(const uint8_t *p, size_t n) = 0;          // all of them
  virtual void tcpClose() = 0;                                    // whatever is open
  virtual bool ask(const uint8_t *query, size_t n) = 0;        // to 224.0.0.251:5353, from any other port
  virtual int answer(uint8_t *to, size_t size, uint8_t ip[4]) = 0; // a datagram that came, 0 when there is none
  virtual void askEnd() = 0;
  virtual uint32_t now() = 0;                                  // ms, may run over
  virtual uint32_t random() = 0;
  virtual void load(TopicdSaved *saved) = 0;
  virtual void save(const TopicdSaved &saved) = 0;
  virtual void changed(const char *what) { (void)what; }       // for a log: "online", "lost", or the hub's error

 private:
  enum State { STOPPED, RESTING, ASKING, OPENING, GREETING, ONLINE };
  td_out *fresh();
  bool post(const uint8_t *p);
  bool begun(const char *topic);
  void dial();
  void handshake();
  void hear();
  void talk();
  void handle(int op, const td_val &m);
  void welcome(const td_val &m);
  void refused(const td_val &m);
  void message(const td_val &m);
  void lost();

  TopicdSaved hub_;
  const char *device_, *only_;
  State state_;
  bool fixed_;
  unsigned asked_, topics_, code_;
  uint32_t since_, rest_, heard_, opened_, hold_, held_;
  struct { const char *topic; Handler handler; } subs_[TOPICS];
  uint32_t tx_[64];
  uint8_t rx_[512];
  td_out out_;
  td_in in_;
  char error_[TEXT];
};
