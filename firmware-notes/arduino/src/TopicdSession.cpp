#include "TopicdSession.h"

static const uint32_t SILENCE = 70000; // the hub pings each 45 s and gives 25 for the pong
static const uint32_t ANSWER = 5000;   // ms for an answer of mDNS, and for a connection to stand
static const uint32_t SLOWEST = 30000; // ms between two tries

// ---- Values ------------------------------------------------------------------------------

TopicdValue::TopicdValue(td_val v) : v_(v) {
  static const uint32_t members[] = {2, 4, 3, 'v', 'v' << 8 | 'b', 'v' << 8 | 's'}; // v, vb, vs (RFC 8428 6), and their names
  td_val w = v;
  if (v.type != TD_MAP) return;
  if (td_get(&w, td_label("on"))) {
    v_ = w;
    return;
  }
  for (unsigned i = 0; i < 6; i++) {
    w = v;
    if (!td_get(&w, members[i])) continue;
    v_ = w;
    return;
  }
}

float TopicdValue::number() const {
  if (v_.type == TD_UINT || v_.type == TD_NEGINT) return (float)td_int64(&v_);
  if (v_.type == TD_TRUE) return 1;
  return v_.type >= TD_HALF && v_.type <= TD_DOUBLE ? td_real(&v_) : 0;
}

static char *cut(char *to, size_t size, const td_val *v) {
  size_t n = 0;
  if (v->type == TD_TEXT && size > 1) {
    n = v->lo < size ? v->lo : size - 1;
    memcpy(to, td_chars(v), n);
  }
  if (size) to[n] = 0;
  return to;
}

char *TopicdValue::text(char *to, size_t size) const { return cut(to, size, &v_); }

// ---- The sketch's side -------------------------------------------------------------------

TopicdSession::TopicdSession()
    : hub_(), device_(""), only_(NULL), state_(STOPPED), fixed_(false), asked_(0), topics_(0), code_(0), since_(0), rest_(0),
      heard_(0), opened_(0), hold_(0), held_(0), subs_(), tx_(), rx_(), out_(), in_(), error_() {
  out_.buf = tx_;
  out_.cap = sizeof tx_;
  in_.buf = rx_;
  in_.cap = sizeof rx_;
}

void TopicdSession::begin(const char *device) {
  device_ = device;
  if (!fixed_) {
    load(&hub_);
    if (hub_.path[0] != '/' || hub_.path[64] || hub_.id[16] || hub_.token[TD_TOKEN - 1]) memset(&hub_, 0, sizeof hub_); // empty flash
  }
  state_ = RESTING;
  since_ = now();
  rest_ = 0;
}

void TopicdSession::connectTo(const uint8_t ip[4], uint16_t port, const char *path) {
  load(&hub_);
  if (hub_.id[16] || hub_.token[TD_TOKEN - 1]) memset(&hub_, 0, sizeof hub_);
  memcpy(hub_.ip, ip, 4);
  hub_.port = port;
  strncpy(hub_.path, path, sizeof hub_.path - 1);
  hub_.path[64] = 0;
  fixed_ = true;
}

bool TopicdSession::subscribe(const char *topic, Handler handler) {
  if (topics_ == TOPICS) return false;
  subs_[topics_].topic = topic;
  subs_[topics_++].handler = handler;
  td_topic t = {topic, 0};
  if (online()) post(td_request(fresh(), TD_SUB, &t, 0));
  return true;
}

// A pub begins, if it may: the data comes next.
bool TopicdSession::begun(const char *topic) {
  td_topic t = {topic, 0};
  loop();
  if (!online() || (hold_ && now() - held_ < hold_)) return false;
  hold_ = 0;
  td_begin(fresh(), TD_PUB, &t);
  td_key(&out_, TD_K_DATA);
  return true;
}

bool TopicdSession::publish(const char *topic, float v, const char *unit) {
  if (v - v != 0 || !begun(topic)) return false; // NaN and infinity: the hub takes neither
  if (unit)
    td_senml(&out_, NULL, unit, v, 0);
  else
    td_float(&out_, v);
  return post(td_frame(&out_, TD_WS_BINARY));
}

bool TopicdSession::publish(const char *topic, long v) {
  if (!begun(topic)) return false;
  td_int(&out_, (int32_t)v);
  return post(td_frame(&out_, TD_WS_BINARY));
}

bool TopicdSession::publish(const char *topic, bool v) {
  if (!begun(topic)) return false;
  td_bool(&out_, v);
  return post(td_frame(&out_, TD_WS_BINARY));
}

bool TopicdSession::publish(const char *topic, const char *v) {
  if (!begun(topic)) return false;
  td_text(&out_, v);
  return post(td_frame(&out_, TD_WS_BINARY));
}

static char *decimal(char *to, unsigned v) {
  if (v > 9) to = decimal(to, v / 10);
  *to++ = (char)('0' + v % 10);
  return to;
}

// ---- The connection ----------------------------------------------------------------------

td_out *TopicdSession::fresh() { // each frame has a new mask
  out_.mask = random();
  return &out_;
}

// A frame that did not fit is not sent and costs no connection.
bool TopicdSession::post(const uint8_t *p) {
  if (p == NULL) return false;
  if (tcpWrite(p, out_.len)) return true;
  lost();
  return false;
}

void TopicdSession::loop() {
  switch (state_) {
    case STOPPED: break;
    case RESTING:
      if (now() - since_ >= rest_ && network()) dial();
      break;
    case ASKING: hear(); break;
    case OPENING:
      if (tcpOpened())
        handshake();
      else if (now() - since_ > ANSWER)
        lost();
      break;
    default: talk();
  }
}

// The last good address first, then whoever answers, in turns.
void TopicdSession::dial() {
  since_ = now();
  if (hub_.port && (fixed_ || asked_ == 0)) {
    asked_ = 1; // when this fails the next try asks
    state_ = OPENING;
    if (!tcpOpen(hub_.ip, hub_.port)) lost();
    return;
  }
  asked_ = 1;
  state_ = ASKING;
  if (!ask(td_dnssd_query, sizeof td_dnssd_query)) {
    askEnd();
    lost();
  }
}

void TopicdSession::hear() {
  // An answer of mDNS has up to 1440 bytes: too many for a stack of 4 KB.
  static uint8_t packet[1440];
  uint8_t from[4];
  td_hub found;
  int n;
  while ((n = answer(packet, sizeof packet, from)) > 0) {
    // Its token is said to no other hub than the one that gave it.
    const char *id = hub_.token[0] && hub_.id[0] ? hub_.id : only_;
    if (!td_dnssd_answer(packet, (size_t)n, id, &found) || found.tls) continue;
    memcpy(hub_.ip, found.ip[0] ? found.ip : from, 4);
    hub_.port = found.port;
    memcpy(hub_.path, found.path, sizeof hub_.path);
    memcpy(hub_.id, found.id, sizeof hub_.id);
    askEnd();
    asked_ = 0;
    dial();
    return;
  }
  if (now() - since_ < ANSWER) return;
  if (asked_++ < 3) { // a radio that sleeps misses multicast
    since_ = now();
    ask(td_dnssd_query, sizeof td_dnssd_query);
    return;
  }
  askEnd();
  asked_ = 0; // the last address again: a hub may answer nobody and be there
  lost();
}

void TopicdSession::handshake() {
  char host[24], *p = host;
  for (int i = 0; i < 4; i++) {
    p = decimal(p, hub_.ip[i]);
    *p++ = i < 3 ? '.' : ':';
  }
  *decimal(p, hub_.port) = 0;
  state_ = GREETING;
  in_.len = in_.done = 0;
  heard_ = now();
  td_handshake(&out_, host, hub_.path);
  post(out_.len == out_.cap ? NULL : (const uint8_t *)tx_);
}

void TopicdSession::talk() {
  td_val m;
  int op = 0, n = 0;
  if (in_.len < in_.cap && (n = tcpRead(rx_ + in_.len, in_.cap - in_.len)) > 0) {
    in_.len += (size_t)n;
    heard_ = now();
  }
  while (state_ >= GREETING && (op = td_poll(&in_, &m)) > 0) handle(op, m);
  if (state_ < GREETING) return; // handle has seen the end
  if (n < 0 || op < 0 || now() - heard_ > (state_ == ONLINE ? SILENCE : 2 * ANSWER)) lost();
}

void TopicdSession::handle(int op, const td_val &m) {
  switch (op) {
    case TD_ACCEPTED: post(td_hello(fresh(), device_, hub_.token)); break;
    case TD_WELCOME:
      if (state_ != ONLINE) welcome(m);
      break;
    case TD_WS_PING: post(td_control(fresh(), TD_WS_PONG, m.at, (size_t)(m.end - m.at))); break;
    case TD_MSG: message(m); break;
    case TD_ERR: refused(m); break;
    case TD_WS_CLOSE:
    case TD_BYE:
    case '3': case '4': case '5': // HTTP said no
      lost();
      break;
    default: break;
  }
}

void TopicdSession::welcome(const td_val &m) {
  state_ = ONLINE;
  opened_ = now();
  hold_ = 0;
  asked_ = 0;
  td_token(&m, hub_.token); // it has joined: into flash before anything else
  save(hub_);
  code_ = 0;
  error_[0] = 0;
  changed("online");
  for (unsigned i = 0; i < topics_ && online(); i++) {
    td_topic t = {subs_[i].topic, 0};
    post(td_request(fresh(), TD_SUB, &t, 0));
  }
}

// protocol.md says what to do on each code.
void TopicdSession::refused(const td_val &m) {
  td_val e = m, v;
  uint32_t retry = 0;
  if (!td_get(&e, TD_K_ERR)) return;
  asked_ = 0; // it is a hub: the same address again, whatever it says
  v = e;
  if (td_get(&v, td_label("retry"))) retry = v.lo;
  v = e;
  code_ = td_get(&v, td_label("code")) ? v.lo : 0;
  v = e;
  char *p = decimal(error_, code_ % 10000);
  *p++ = ' ';
  *p = 0;
  if (td_get(&v, td_label("msg"))) cut(p, (size_t)(error_ + sizeof error_ - p), &v);
  changed(error_);
  hold_ = retry;
  held_ = now();
  // To our hello. The next connection asks again, without a token that the hub does not know;
  // flash keeps it until there is another one.
  if (code_ == 401 && state_ != ONLINE) {
    if (retry == 0) hub_.token[0] = 0;
    lost();
  }
}

// Does the topic's name fit the pattern? + is one level, # all that follow.
static bool fits(const char *p, const char *t) {
  for (;; p++, t++) {
    if (*p == '#') return true;
    if (*p == '+') {
      while (*t && *t != '/') t++;
      p++;
    }
    if (*p == '/' && p[1] == '#' && *t == 0) return true;
    if (*p != *t) return false;
    if (*p == 0) return true;
  }
}

void TopicdSession::message(const td_val &m) {
  char name[NAME + 1];
  td_val t = m, v = m;
  if (!td_get(&t, TD_K_TOPIC) || !td_get(&v, TD_K_DATA) || t.type != TD_TEXT || t.lo > NAME) return;
  cut(name, sizeof name, &t);
  for (unsigned i = 0; i < topics_; i++)
    if (fits(subs_[i].topic, name)) subs_[i].handler(name, TopicdValue(v));
}

// Not all boards at once, and slower each time while it does not last.
void TopicdSession::lost() {
  bool was = state_ == ONLINE;
  tcpClose();
  state_ = RESTING;
  since_ = now();
  if (was && since_ - opened_ > 60000) rest_ = 0;
  rest_ = rest_ == 0 ? 1000 : rest_ < SLOWEST / 2 ? rest_ * 2 : SLOWEST;
  rest_ = rest_ / 2 + random() % (rest_ / 2 + 1);
  if (was) changed("lost");
}
