"""topicd for MicroPython and CPython: publish, subscribe, find the hub. No other module needed.

    import topicd
    hub = topicd.Hub("192.168.1.7", 22345, dev="esp32-a1b2c3")     # or topicd.Hub(*topicd.find())
    hub.subscribe("greenhouse/1/fan", lambda topic, data, msg: print(topic, data))
    hub.publish("greenhouse/1/temp", 21.5)            # nobody answers: lost if the link is down
    hub.publish("greenhouse/1/door", "open", ack=True)   # answered, sent again until it is
    while True:
        hub.poll(1.0)                                 # callbacks run here; keeps the link alive

Plain sockets, no thread, no asyncio. The link is made when it is first needed and made again
after it was lost, with a pause that grows from 1 to 30 s; subscriptions are renewed, and a
reading that was not answered is sent again with the same number, so it counts once. ws:// only.
A hub that wants a token says Error 401. Where devices join (../protocol.md) it gives this one a
token of its own, to keep(token): write it to a file, and give it as token after a reboot.
The grammar and what the errors mean: ../protocol.md.
"""

import binascii
import json
import os
import select
import socket
import struct
import time

try:
    import hashlib
    _sha1 = hashlib.sha1
except (ImportError, AttributeError):  # a small MicroPython: the answer's Accept is not checked
    _sha1 = None

OPS = ("hello", "welcome", "pub", "msg", "sub", "unsub", "ok", "err", "ping", "pong", "get",
       "list", None, "live", "bye", "make", "delete")
KEYS = ("op", "id", "topic", "data", "ts", "seq", "ack", "err", "opts", "from", "ep", "drop")

SILENCE = 70000  # ms: the hub pings each 45 s and gives 25 for the answer
MAX_FRAME = 65536

if hasattr(time, "ticks_ms"):
    _now, _since = time.ticks_ms, lambda t: time.ticks_diff(time.ticks_ms(), t)
else:
    _now, _since = lambda: int(time.monotonic() * 1000), lambda t: int(time.monotonic() * 1000) - t


class Error(Exception):
    """What the hub said no to: code (an HTTP number), msg, retry (ms, 0 = do not)."""

    def __init__(self, err):
        self.code, self.msg, self.retry = err.get("code", 400), err.get("msg", ""), err.get("retry", 0)
        Exception.__init__(self, "%d %s" % (self.code, self.msg))


class Lost(OSError):
    """The link broke."""


# ---- CBOR (RFC 8949) ----------------------------------------------------------------------


def _head(major, n):
    if n < 24:
        return bytes((major | n,))
    if n < 1 << 8:
        return bytes((major | 24, n))
    if n < 1 << 16:
        return struct.pack(">BH", major | 25, n)
    if n < 1 << 32:
        return struct.pack(">BI", major | 26, n)
    return struct.pack(">BQ", major | 27, n)


def dumps(v):
    """CBOR of None, bool, int, float, str, bytes, list, tuple, dict."""
    if v is None:
        return b"\xf6"
    if v is True or v is False:
        return b"\xf5" if v else b"\xf4"
    if isinstance(v, int):
        return _head(0x00, v) if v >= 0 else _head(0x20, -1 - v)
    if isinstance(v, float):
        try:
            short = struct.pack(">f", v)
        except OverflowError:
            short = None
        if short and struct.unpack(">f", short)[0] == v:
            return b"\xfa" + short
        return b"\xfb" + struct.pack(">d", v)
    if isinstance(v, str):
        b = v.encode()
        return _head(0x60, len(b)) + b
    if isinstance(v, (bytes, bytearray)):
        return _head(0x40, len(v)) + bytes(v)
    if isinstance(v, (list, tuple)):
        return _head(0x80, len(v)) + b"".join([dumps(x) for x in v])
    if isinstance(v, dict):
        return _head(0xA0, len(v)) + b"".join([dumps(k) + dumps(x) for k, x in v.items()])
    raise TypeError("no CBOR for %s" % type(v))


_BREAK = object()


def _value(b, at, depth):
    """The value at b[at] and where the next one begins."""
    if depth > 20:
        raise ValueError("too deep")
    major, n = b[at] >> 5, b[at] & 31
    at += 1
    endless = n == 31
    if 24 <= n < 28:
        size = 1 << (n - 24)
        if at + size > len(b):
            raise ValueError("cut")
        arg = b[at:at + size]
        at += size
        if major == 7:
            if size == 1:
                return None, at
            if size == 2:
                return _half(struct.unpack(">H", arg)[0]), at
            return struct.unpack(">f" if size == 4 else ">d", arg)[0], at
        n = int.from_bytes(arg, "big")
    elif n > 27 and not (endless and major in (4, 5, 7)):
        raise ValueError("no such head")
    if major == 0:
        return n, at
    if major == 1:
        return -1 - n, at
    if major in (2, 3):
        if at + n > len(b):
            raise ValueError("cut")
        s = bytes(b[at:at + n])
        return (s if major == 2 else s.decode()), at + n
    if major in (4, 5):
        out = []
        many = n * (major - 3)
        while endless or many:
            if at >= len(b):
                raise ValueError("cut")
            if endless and b[at] == 0xFF:
                at += 1
                break
            v, at = _value(b, at, depth + 1)
            out.append(v)
            many -= 1
        if major == 4:
            return out, at
        if len(out) % 2:
            raise ValueError("half a pair")
        return {out[i]: out[i + 1] for i in range(0, len(out), 2)}, at
    if major == 6:  # a time stays its number or text, a typed array its bytes, a decimal fraction its parts
        if at >= len(b):
            raise ValueError("cut")
        return _value(b, at, depth + 1)
    if endless:
        raise ValueError("a break")
    return n == 21 if n in (20, 21) else None, at  # null, undefined and what has no meaning yet


def _half(h):
    m, e = h & 0x3FF, h >> 10 & 31
    v = m * 2.0 ** -24 if e == 0 else (m + 1024) * 2.0 ** (e - 25)
    return -v if h & 0x8000 else v


def loads(b):
    """The value of one CBOR item."""
    if not b:
        raise ValueError("empty")
    v, at = _value(b, 0, 0)
    if at != len(b):
        raise ValueError("something behind the value")
    return v


def _to_cbor(m):
    out = {}
    for k, v in m.items():
        out[KEYS.index(k)] = OPS.index(v) if k == "op" else v
    return dumps(out)


def _from_cbor(b):
    m = {}
    for k, v in loads(b).items():
        if isinstance(k, int):
            if not 0 <= k < len(KEYS):
                continue  # of a later version
            k = KEYS[k]
        m[k] = v
    op = m.get("op")
    if isinstance(op, int):
        m["op"] = OPS[op] if 0 <= op < len(OPS) else None
    return m


# ---- The hub ------------------------------------------------------------------------------


class Hub:
    """One link to a hub. cbor=False speaks JSON. timeout: seconds to connect and to be answered.
    keep is called with the token that the hub gives to a device that joins."""

    def __init__(self, host, port=22345, path="/ws", dev=None, token=None, cbor=True, timeout=10, keep=None):
        self.host, self.port, self.path = host, port, path
        self.dev, self.token, self.cbor, self.timeout, self.keep = dev, token, cbor, timeout, keep
        self.welcome = None  # what the hub said about itself
        self.links = 0       # how often connected
        self._sock = None
        self._subs = []      # [pattern, callback, opts]
        self._id = 0
        self._seq = 0
        self._pause = 1000   # ms, before the next attempt but one
        self._wait = 0       # ms, from _tried to the next attempt
        self._tried = _now()

    # -- for the application

    def publish(self, topic, data, ack=False):
        """Publishes. With ack the answer is waited for, and the link made again as often as
        need be; gives the topic's seq. Without, a reading is lost when there is no link, and
        nothing tells."""
        if not ack:
            try:
                self._ready(0)
                self._send({"op": "pub", "topic": self._alias.get(topic, topic), "data": data})
            except OSError:
                self._drop()
            return None
        self._seq += 1
        seq = self._seq
        while True:
            try:
                self._ready()
                m = {"op": "pub", "topic": self._alias.get(topic, topic), "data": data}
                if self.dev:
                    m["seq"] = seq  # the same number again counts once
                ok = self._ask(m)
                if "topic" in ok:
                    self._alias[topic] = ok["topic"]
                return ok.get("seq")
            except OSError:
                self._drop()
            except Error as e:
                if e.code == 404 and topic in self._alias:
                    del self._alias[topic]
                elif e.retry and self._sock:
                    self.poll(e.retry / 1000)
                else:
                    raise

    def subscribe(self, pattern, callback, **opts):
        """callback(topic, data, msg) for each reading, from within poll and publish. opts: last,
        rate, latest, since ..., see the grammar. Renewed on each new link."""
        self._subs.append([pattern, callback, opts])
        if self._sock:
            try:
                self._sub(self._subs[-1])
            except OSError:
                self._drop()

    def unsubscribe(self, pattern):
        self._subs = [s for s in self._subs if s[0] != pattern]
        if self._sock:
            try:
                self._ask({"op": "unsub", "topic": pattern})
            except OSError:
                self._drop()

    def poll(self, seconds=0):
        """Takes what has come, and waits for more until the time is over."""
        start = _now()
        while True:
            left = int(seconds * 1000) - _since(start)
            try:
                self._ready(max(0, left))
                if not self._pump(max(0, left)) and left <= 0:
                    return
            except OSError:
                self._drop()
                if left <= 0:
                    return

    def close(self):
        """Says goodbye. The next call that needs the link makes it again."""
        if self._sock:
            try:
                self._frame(0x88, b"\x03\xe8")  # 1000, RFC 6455 7.4.1
            except OSError:
                pass
        self._drop()
        self._pause, self._wait = 1000, 0

    # -- the link

    def _drop(self):
        """Ends the link and says when the next may be made: later each time, until one lasted."""
        if self._sock:
            self._sock.close()
            if self.welcome is not None and _since(self._up) > 60000:
                self._pause = 1000
            self._again()
        self._sock = None

    def _again(self):
        # Half of the pause by chance: a hundred devices must not come back at once.
        self._tried = _now()
        self._wait = self._pause // 2 + int.from_bytes(os.urandom(2), "big") * (self._pause // 2) // 65536
        self._pause = min(30000, self._pause * 2)

    def _ready(self, budget=None):
        """Makes the link if there is none; within budget ms, if given, but for the connect."""
        while not self._sock:
            left = min(self._wait, self._wait - _since(self._tried))  # ticks go below zero after 6 days
            if left > 0:
                if budget is not None and budget < left:
                    time.sleep(budget / 1000)
                    raise Lost("no link")
                time.sleep(left / 1000)
                if budget is not None:
                    budget -= left
            try:
                self._connect()
            except OSError:
                self._drop()
                if not 0 <= _since(self._tried) < self._wait:  # not even a socket
                    self._again()

    def _connect(self):
        info = socket.getaddrinfo(self.host, self.port, 0, socket.SOCK_STREAM)[0]
        self.welcome = None
        self._buf = b""
        self._alias = {}
        self._answers = {}
        self._parts = None
        s = socket.socket(info[0], info[1], info[2])
        self._sock = s
        s.settimeout(self.timeout)
        s.connect(info[-1])
        key = binascii.b2a_base64(os.urandom(16)).strip()
        host = "[%s]" % self.host if ":" in self.host else self.host
        s.send(("GET %s HTTP/1.1\r\nHost: %s:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n"
                % (self.path, host, self.port, key.decode())).encode())
        while b"\r\n\r\n" not in self._buf:
            if len(self._buf) > 4096 or not self._more(self.timeout * 1000):
                raise Lost("no HTTP answer")
        head, self._buf = self._buf.split(b"\r\n\r\n", 1)
        if not head.startswith(b"HTTP/1.1 101"):
            raise Lost(head.split(b"\r\n")[0].decode())
        if _sha1:  # RFC 6455 4.1 item 4
            want = binascii.b2a_base64(_sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).strip()
            if want not in head:
                raise Lost("that is no WebSocket")
        opts = {}
        if self.dev:
            opts["dev"] = self.dev
        if self.token:
            opts["token"] = self.token
        self._heard = _now()
        self._answers[None] = None  # hello has no id, and what refuses it has none
        self._send({"op": "hello", "opts": opts})
        start = _now()
        while self.welcome is None:
            if _since(start) > self.timeout * 1000:
                raise Lost("no welcome")
            self._pump(100)
            if self._answers[None]:
                self._drop()
                raise Error(self._answers[None].get("err", {}))
        self.links += 1
        self._up = _now()
        refused = None
        for s in self._subs:
            try:
                self._sub(s)
            except Error as e:
                refused = e
        if refused:
            raise refused

    def _sub(self, s):
        m = {"op": "sub", "topic": s[0]}
        if s[2]:
            m["opts"] = s[2]
        self._ask(m)

    def _ask(self, m):
        """Sends a request and waits for its answer."""
        self._id += 1
        n = m["id"] = self._id
        self._answers[n] = None
        answers = self._answers
        self._send(m)
        start = _now()
        while answers[n] is None:
            if answers is not self._answers or _since(start) > self.timeout * 1000:
                raise Lost("no answer")
            self._pump(100)
        a = answers.pop(n)
        if a["op"] == "err":
            raise Error(a.get("err", {}))
        return a

    def _send(self, m):
        if self.cbor:
            self._frame(0x82, _to_cbor(m))
        else:
            self._frame(0x81, json.dumps(m).encode())

    def _frame(self, first, body):
        """RFC 6455 5.2 and 5.3."""
        n = len(body)
        if n < 126:
            head = bytes((first, 0x80 | n))
        elif n < 65536:
            head = struct.pack(">BBH", first, 0xFE, n)
        else:
            head = struct.pack(">BBQ", first, 0xFF, n)
        mask = os.urandom(4)
        out = bytearray(head + mask + body)
        for i in range(n):
            out[len(head) + 4 + i] ^= mask[i & 3]
        out = bytes(out)
        while out:
            out = out[self._sock.send(out):]

    def _more(self, ms):
        """Receives; False when nothing came in time."""
        p = select.poll()
        p.register(self._sock, select.POLLIN)
        if not p.poll(ms):
            return False
        b = self._sock.recv(1024)
        if not b:
            raise Lost("closed")
        self._buf += b
        self._heard = _now()
        return True

    def _pump(self, ms):
        """Handles one frame; False when none came in time."""
        f = self._take()
        if f is None:
            if not self._more(ms):
                if _since(self._heard) > SILENCE:
                    raise Lost("silence")
                return False
            f = self._take()
            if f is None:
                return True
        first, body = f
        op, fin = first & 15, first & 0x80
        if op == 9:
            self._frame(0x8A, body)
        elif op == 8:
            raise Lost("closed: %d" % (struct.unpack(">H", body[:2])[0] if len(body) > 1 else 1005))
        elif op in (0, 1, 2):
            if op:
                self._parts = [op, b""]
            elif self._parts is None:
                raise Lost("fragment without a beginning")
            self._parts[1] += body
            if len(self._parts[1]) > MAX_FRAME * 2:
                raise Lost("frame too large")
            if fin:
                op, body = self._parts
                self._parts = None
                self._messages(op, body)
        return True

    def _take(self):
        """One frame off the buffer."""
        b = self._buf
        if len(b) < 2:
            return None
        n, at = b[1], 2
        if b[0] & 0x70 or n & 0x80:
            raise Lost("broken frame")
        if n == 126:
            at = 4
        elif n == 127:
            at = 10
        if at > 2:
            if len(b) < at:
                return None
            n = int.from_bytes(b[2:at], "big")
            if n > MAX_FRAME * 2:
                raise Lost("frame too large")
        if len(b) < at + n:
            return None
        self._buf = b[at + n:]
        return b[0], b[at:at + n]

    def _messages(self, op, body):
        try:
            m = _from_cbor(body) if op == 2 else json.loads(body.decode())
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise Lost("broken message")
        op = m.get("op")
        if op == "msg":
            topic = m.get("topic")
            for pattern, callback, _ in list(self._subs):
                if matches(pattern, topic):
                    callback(topic, m.get("data"), m)
        elif op in ("ok", "err"):
            if m.get("id") in self._answers:
                self._answers[m.get("id")] = m
        elif op == "welcome":
            self.welcome = m.get("data") or {}
            if self.welcome.get("token"):  # it has joined: kept before anything else
                self.token = self.welcome["token"]
                if self.keep:
                    self.keep(self.token)
        elif op == "bye":
            raise Lost("the hub says bye")
        elif op == "ping":
            self._send({"op": "pong", "data": m.get("data")})


def matches(pattern, topic):
    """Does the pattern (+ one level, # the rest) hear of the topic?"""
    p, t = pattern.split("/"), topic.split("/")
    if topic.startswith("$") and p[0] in ("+", "#"):
        return False
    for i, level in enumerate(p):
        if level == "#":
            return True
        if i >= len(t) or level not in ("+", t[i]):
            return False
    return len(p) == len(t)


# ---- Discovery ----------------------------------------------------------------------------

_QUERY = (b"\0\0\0\0\0\1\0\0\0\0\0\0\x07_topicd\x04_tcp\x05local\0"
          b"\0\x0c\x80\x01")  # PTR, QU: RFC 6762 5.4


def find(hub_id=None, tries=3, seconds=5, ip=None):
    """(host, port, path) of a hub on this network, or None: asks and waits, tries times; a radio
    that sleeps misses multicast. ip: our own address, where there are several networks."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        if ip:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(ip))
        poll = select.poll()
        poll.register(s, select.POLLIN)
        for _ in range(tries):
            s.sendto(_QUERY, socket.getaddrinfo("224.0.0.251", 5353)[0][-1])
            start = _now()
            while _since(start) < seconds * 1000:
                if not poll.poll(max(0, seconds * 1000 - _since(start))):
                    break
                packet, sender = s.recvfrom(1500)
                try:
                    hub = _answer(packet, hub_id)
                except (IndexError, ValueError, struct.error):
                    continue  # anybody's packet
                if hub:
                    return hub[0] or sender[0], hub[1], hub[2]
    finally:
        s.close()
    return None


def _name(p, at):
    """The labels at p[at], lower case, and where the name ends. RFC 1035 4.1.4."""
    labels, end = [], 0
    for _ in range(128):
        n = p[at]
        if n >= 0xC0:
            end = end or at + 2
            at = (n & 0x3F) << 8 | p[at + 1]
        elif n == 0:
            return b".".join(labels).lower(), end or at + 1
        else:
            labels.append(p[at + 1:at + 1 + n])
            at += n + 1
    raise ValueError("a name without end")


def _answer(p, hub_id):
    flags, questions, a, b, c = struct.unpack(">HHHHH", p[2:12])
    if flags & 0xF80F != 0x8000:
        return None
    at, records = 12, []
    for _ in range(questions):
        at = _name(p, at)[1] + 4
    for _ in range(a + b + c):
        name, at = _name(p, at)
        kind, cls, ttl, n = struct.unpack(">HHIH", p[at:at + 10])
        at += 10
        if at + n > len(p):
            return None
        if ttl and cls & 0x7FFF == 1:
            records.append((kind, name, at, n))
        at += n
    for kind, name, at, n in records:
        if kind != 12 or name != b"_topicd._tcp.local":
            continue
        instance, host, port, txt, ip = _name(p, at)[0], None, 0, {}, None
        for kind, name, at, n in records:
            if kind == 33 and name == instance:
                port, host = struct.unpack(">H", p[at + 4:at + 6])[0], _name(p, at + 6)[0]
            elif kind == 16 and name == instance:
                end = at + n
                while at < end:
                    k = p[at + 1:at + 1 + p[at]].split(b"=", 1)
                    if len(k) == 2:
                        txt.setdefault(k[0].decode().lower(), k[1].decode())
                    at += 1 + p[at]
        for kind, name, at, n in records:
            if kind == 1 and name == host and n == 4:
                ip = "%d.%d.%d.%d" % tuple(p[at:at + 4])
        if port and (hub_id is None or txt.get("id") == hub_id) and txt.get("tls") != "1":
            return ip, port, txt.get("path", "/ws")
    return None
