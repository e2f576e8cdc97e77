"""A CBOR client of topicd from Debian's packages, as a person would write it.

client.py URL pub TOPIC < JSON lines    publishes each as CBOR
client.py URL sub PATTERN N             prints N readings as JSON lines
client.py URL sizes                     checks the frame sizes of the protocol
"""
import asyncio
import json
import math
import sys

import cbor2
import websockets

OP, ID, TOPIC, DATA, SEQ, OPTS = 0, 1, 2, 3, 5, 8
WELCOME, PUB, MSG, SUB, OK, LIVE = 1, 2, 3, 4, 6, 13


def value(line):
    """JSON with {"$bytes": hex} for what JSON has not."""
    def hook(d):
        return bytes.fromhex(d["$bytes"]) if set(d) == {"$bytes"} else d
    return json.loads(line, object_hook=hook)


def show(v):
    return {"$bytes": v.hex()} if isinstance(v, bytes) else str(v)


async def answer(ws, ident):
    while True:
        m = cbor2.loads(await ws.recv())
        if m.get(ID) == ident and m[OP] != LIVE:
            assert m[OP] == OK, m
            return m


async def pub(url, topic):
    async with websockets.connect(url, open_timeout=60) as ws:
        for n, line in enumerate(sys.stdin, 1):
            # canonical: the shortest form of each number
            await ws.send(cbor2.dumps({OP: PUB, ID: n, TOPIC: topic, DATA: value(line)}, canonical=True))
            assert (await answer(ws, n))[SEQ] == n


async def sub(url, pattern, n):
    async with websockets.connect(url, subprotocols=["topicd.v1.cbor"], open_timeout=60) as ws:
        assert cbor2.loads(await ws.recv())[OP] == WELCOME
        await ws.send(cbor2.dumps({OP: SUB, ID: 1, TOPIC: pattern, OPTS: {"last": 1000}}))
        while n > 0:
            frame = await ws.recv()
            assert isinstance(frame, bytes), frame
            m = cbor2.loads(frame)
            if m[OP] == LIVE:
                print("live", flush=True)
            if m[OP] == MSG:
                print(json.dumps(m[DATA], default=show), flush=True)
                n -= 1


async def sizes(url):
    reading = {OP: PUB, TOPIC: "greenhouse/1/temp", DATA: {2: 21.5, 1: "Cel", 6: 1700000000}}
    text = '{"op":"pub","topic":"greenhouse/1/temp","data":{"v":21.5,"u":"Cel","t":1700000000}}'
    frame = cbor2.dumps(reading, canonical=True)
    assert (len(text), len(frame)) == (83, 39), (len(text), len(frame))
    async with websockets.connect(url, open_timeout=60) as ws:
        await ws.send(frame)
        await ws.send(text)
        await ws.send(cbor2.dumps({**reading, ID: 7}, canonical=True))
        ok = await answer(ws, 7)
        assert ok[SEQ] == 3, ok
        short = cbor2.dumps({OP: PUB, TOPIC: ok[TOPIC], DATA: 21.5}, canonical=True)
        assert len(short) == 9, short
        await ws.send(short)
        await ws.send(cbor2.dumps({OP: 10, ID: 8, TOPIC: "greenhouse/1/temp", OPTS: {"last": 10}}))
        got = [r.get(DATA, r.get("data")) for r in (await answer(ws, 8))[DATA]]
        assert math.isclose(got[3], 21.5) and len(got) == 4, got
        for r in got[:3]:
            assert r in ({2: 21.5, 1: "Cel", 6: 1700000000}, {"v": 21.5, "u": "Cel", "t": 1700000000}), r


url, what, *rest = sys.argv[1:]
if what == "pub":
    asyncio.run(pub(url, rest[0]))
elif what == "sub":
    asyncio.run(sub(url, rest[0], int(rest[1])))
else:
    asyncio.run(sizes(url))
print("done", flush=True)
