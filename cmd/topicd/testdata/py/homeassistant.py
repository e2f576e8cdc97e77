# As Home Assistant does: python3 homeassistant.py HOST MQTT-PORT HTTP-URL. paho-mqtt and
# Jinja2 of Debian, which are what it uses. Prints "done".
import json
import queue
import sys
import urllib.request

import jinja2
import paho.mqtt.client as paho

host, port, hub = sys.argv[1], int(sys.argv[2]), sys.argv[3]
env = jinja2.Environment()
passed = {}
configs, states, subbed = queue.Queue(), queue.Queue(), queue.Queue()


def message(c, u, m):
    (configs if m.topic.startswith("homeassistant/") else states).put(m)


c = paho.Client("home-assistant")
c.on_message = message
c.on_subscribe = lambda *a: subbed.put(a)
c.connect(host, port, 30)
c.loop_start()


def subscribe(*filters):
    c.subscribe([(f, 0) for f in filters])
    _, _, _, codes = subbed.get(timeout=60)
    assert all(code == 0 for code in codes), (filters, codes)


def config(device):
    """The next configuration of a device; what comes meanwhile of others is kept."""
    while not passed.get(device):
        m = configs.get(timeout=60)
        if m.topic.startswith("homeassistant/device/"):
            passed.setdefault(m.topic.split("/")[2], []).append(m)
    return passed[device].pop(0)


def render(template, payload):
    try:
        value_json = json.loads(payload)
    except ValueError:
        value_json = env.undefined()
    return env.from_string(template).render(value=payload, value_json=value_json)


def state(sensor):
    """What the sensor would show."""
    subscribe(sensor["stat_t"])
    m = states.get(timeout=60)
    assert m.topic == sensor["stat_t"], m.topic
    return float(render(sensor["val_tpl"], m.payload.decode()))


subscribe("homeassistant/+/+/config", "homeassistant/+/+/+/config")
c.publish("homeassistant/status", "online", 0, True)
first = config("topicd_greenhouse_1")
doc = json.loads(first.payload)
assert doc["dev"]["name"] == "Greenhouse 1", doc
temp = doc["cmps"]["topicd_greenhouse_1_temp"]
assert (temp["name"], temp["dev_cla"], temp["unit_of_meas"]) == ("Temperature", "temperature", "°C"), temp
assert state(temp) == 21.5
c.publish("homeassistant/status", "online", 0, True)
again = config("topicd_greenhouse_1")
assert again.payload == first.payload and not again.retain, again.payload

cmps = json.loads(config("topicd_shed").payload)["cmps"]
values = {s["name"]: state(s) for s in cmps.values() if s["stat_t"] == "shed/fill"}
assert values == {"Fill": 25.0}, values
pack = [s for s in cmps.values() if s["stat_t"] == "shed/pack"]
payload = None
subscribe("shed/pack")
payload = states.get(timeout=60).payload.decode()
values = {s["name"]: float(render(s["val_tpl"], payload)) for s in pack}
assert values == {"Pack Air": 20.5, "Pack Soil": 12.0}, values
assert render(pack[0]["val_tpl"], '[{"n":"other","v":1}]') == ""

urllib.request.urlopen(urllib.request.Request(hub + "/api/topics/greenhouse/1/temp", method="DELETE"))
while config("topicd_greenhouse_1").payload:
    pass
c.disconnect()
c.loop_stop()
print("done")
