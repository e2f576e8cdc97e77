# A session of paho-mqtt (Debian's) that outlives the hub:
# python3 mqttkeep.py HOST PORT begin, later: python3 mqttkeep.py HOST PORT go-on N.
# Prints "done" when each of 1 to N has come once, without subscribing again.
import queue
import sys

import paho.mqtt.client as paho

host, port, what = sys.argv[1], int(sys.argv[2]), sys.argv[3]
got, up, subbed = queue.Queue(), queue.Queue(), queue.Queue()
c = paho.Client("paho", clean_session=False)
c.on_message = lambda c, u, m: got.put(m)
c.on_connect = lambda c, u, flags, *a: up.put(flags["session present"])
c.on_subscribe = lambda *a: subbed.put(a)
c.connect(host, port, 30)
c.loop_start()
present = up.get(timeout=60)
if what == "begin":
    assert not present
    c.subscribe("z/#", 2)
    subbed.get(timeout=60)
else:
    assert present, "no session is present"
    want = set(range(1, int(sys.argv[4]) + 1))
    while want:
        m = got.get(timeout=60)
        n = int(m.payload)
        assert n in want, "%d came twice" % n
        want.remove(n)
c.disconnect()
c.loop_stop()
print("done")
