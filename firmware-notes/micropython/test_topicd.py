"""Run by ../python_test.go: vectors, then the real hub. Prints what it sees, a line each."""

import json
import struct
import sys

sys.dont_write_bytecode = True
import topicd


def vectors(folder):
    """CBOR and JSON of each golden frame are the same message, and come out as they went in."""
    n = 0
    for f in json.load(open(folder + "/frames.json")):
        if "batch" in f["name"] or "typed array" in f["name"] or "bytes" in f["name"] or "times" in f["name"]:
            continue
        got = topicd._from_cbor(bytes.fromhex(f["cbor"]))
        want = json.loads(f["json"])
        labels = {2: "v", 1: "u", 6: "t", 0: "n", -2: "bn", -3: "bt"}

        def names(v):  # SenML's labels, RFC 8428 6
            if isinstance(v, dict):
                return {labels.get(k, k): names(x) for k, x in v.items()}
            return [names(x) for x in v] if isinstance(v, list) else v

        assert names(got) == want, (f["name"], got, want)
        assert topicd._from_cbor(topicd._to_cbor(got)) == got, f["name"]
        for other in f.get("alsoCbor", []):
            try:
                more = names(topicd._from_cbor(bytes.fromhex(other)))
            except ValueError:
                assert f["dir"] == "client", (f["name"], other)  # the hub takes it, and does not write it
                continue
            # without keys of later versions and those that are not set
            more = {k: v for k, v in more.items() if k in topicd.KEYS and (v is not None or k == "data")}
            assert more == want, (f["name"], other)
        n += 1
    for f in json.load(open(folder + "/refuse.json")):
        if f.get("hex") and len(f["hex"]) < 400:
            try:
                topicd.loads(bytes.fromhex(f["hex"]))
            except (ValueError, TypeError):
                pass  # any other exception is a bug
    for h in range(0x7C00):
        assert topicd._half(h) == struct.unpack(">e", struct.pack(">H", h))[0]
    assert topicd.dumps(0.5) == b"\xfa\x3f\0\0\0" and len(topicd.dumps(0.1)) == 9
    assert topicd.matches("a/+/c", "a/b/c") and topicd.matches("a/#", "a") and not topicd.matches("#", "$sys/x")
    print("vectors", n)


def join(port, encoding, file):
    """A device that joins: another run of it comes back with the token of the file."""

    def keep(token):
        with open(file, "w") as f:
            f.write(token)
        print("kept")

    try:
        with open(file) as f:
            token = f.read()
    except OSError:
        token = None
    hub = topicd.Hub("127.0.0.1", port, dev="py-" + encoding, token=token, cbor=encoding == "cbor", keep=keep)
    try:
        print("seq", hub.publish("py/temp", 22 if token else 21.5, ack=True))
    except topicd.Error as e:
        print("refused", e, "retry", e.retry)
    hub.close()
    print("done")


def live(port, encoding):
    hub = topicd.Hub("127.0.0.1", port, dev="py-" + encoding, cbor=encoding == "cbor", timeout=30)
    seen = []

    def command(topic, data, msg):
        seen.append(data)
        print("command", topic, json.dumps(data, sort_keys=True))

    hub.subscribe("py/command", command)
    print("seq", hub.publish("py/temp", {"v": 21.5, "u": "Cel"}, ack=True))
    print("alias", hub._alias.get("py/temp"))
    print("seq", hub.publish("py/temp", 21.75, ack=True))
    hub.publish("py/temp", [1, -2, 0.1, "\u00b0C", None, True])
    try:
        hub.publish("$sys/x", 1, ack=True)
    except topicd.Error as e:
        print("error", e.code)
    print("ready")
    while not seen:
        hub.poll(0.05)
    print("waiting")
    while len(seen) < 2:  # the hub goes away and comes back in between
        hub.poll(0.2)
    print("seq", hub.publish("py/temp", 22, ack=True), "links", hub.links)
    hub.unsubscribe("py/command")
    hub.close()
    print("done")


if sys.argv[1] == "vectors":
    vectors(sys.argv[2])
elif sys.argv[1] == "join":
    join(int(sys.argv[2]), sys.argv[3], sys.argv[4])
elif sys.argv[1] == "find":
    print(topicd.find(ip=sys.argv[2], hub_id=sys.argv[3], tries=24))
else:
    live(int(sys.argv[2]), sys.argv[1])
