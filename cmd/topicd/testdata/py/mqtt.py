# paho-mqtt of Debian against the hub: python3 mqtt.py HOST PORT. Prints "done".
import queue
import sys

import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.packettypes import PacketTypes

host, port = sys.argv[1], int(sys.argv[2])


class Client:
    def __init__(self, name, clean=True, proto=paho.MQTTv311, will=None):
        self.got, self.up, self.subbed, self.sent = queue.Queue(), queue.Queue(), queue.Queue(), queue.Queue()
        args = {} if proto == paho.MQTTv5 else {"clean_session": clean}
        c = self.c = paho.Client(name, protocol=proto, **args)
        if will:
            c.will_set(*will)
        c.on_message = lambda c, u, m: self.got.put(m)
        c.on_connect = lambda c, u, flags, *a: self.up.put(flags["session present"])
        c.on_subscribe = lambda *a: self.subbed.put(a)
        c.on_publish = lambda *a: self.sent.put(a)
        c.connect(host, port, 30)
        c.loop_start()
        self.present = self.up.get(timeout=60)

    def sub(self, filter, qos):
        self.c.subscribe(filter, qos)
        self.subbed.get(timeout=60)

    def pub(self, topic, payload, qos, retain=False, properties=None):
        self.c.publish(topic, payload, qos, retain, properties)
        self.sent.get(timeout=60)

    def want(self, topic, payload, qos, retain=False):
        m = self.got.get(timeout=60)
        assert (m.topic, m.payload, m.qos, m.retain) == (topic, payload, qos, retain), (m.topic, m.payload, m.qos, m.retain)
        return m

    def end(self):
        self.c.disconnect()
        self.c.loop_stop()


for proto in (paho.MQTTv311, paho.MQTTv5):
    sub, pub = Client("sub", proto=proto), Client("pub", proto=proto)
    for qos in range(3):
        sub.sub("py/%d/#" % qos, qos)
        for payload in (b"21.5", b"text", b"\x00\xff", b"", b'{"a": 1}', "Grüße".encode(), b"x" * 300000):
            pub.pub("py/%d/küche" % qos, payload, qos)
            sub.want("py/%d/küche" % qos, payload, qos)
    pub.pub("py/kept", b"1", 1, True)
    sub.sub("py/kept", 1)
    sub.want("py/kept", b"1", 1, True)
    pub.pub("py/kept", b"", 1, True)
    sub.want("py/kept", b"", 1)
    sub.end()

    if proto == paho.MQTTv5:
        sub = Client("sub5", proto=proto)
        sub.sub("py/re", 1)
        p = Properties(PacketTypes.PUBLISH)
        p.ResponseTopic, p.CorrelationData, p.UserProperty = "a/b", b"42", ("k", "v")
        pub.pub("py/re", b"?", 1, properties=p)
        m = sub.want("py/re", b"?", 1)
        assert m.properties.ResponseTopic == "a/b" and m.properties.CorrelationData == b"42" and m.properties.UserProperty == [("k", "v")]
        sub.end()
    else:
        away = Client("away", clean=False)
        away.sub("py/away", 2)
        away.end()
        for i in range(100):
            pub.pub("py/away", b"%d" % i, 1 + i // 50)
        away = Client("away", clean=False)
        assert away.present
        for i in range(100):
            away.want("py/away", b"%d" % i, 1 + i // 50)
        away.end()

    sub = Client("watcher", proto=proto)
    sub.sub("py/LWT", 1)
    lost = Client("lost", proto=proto, will=("py/LWT", b"Offline", 1, True))
    lost.c._sock_close()  # as a device that loses its power
    sub.want("py/LWT", b"Offline", 1)
    pub.pub("py/LWT", b"", 0, True)
    sub.end()
    pub.end()
    lost.c.loop_stop()
print("done")
