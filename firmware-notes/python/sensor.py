"""A sensor in Python with websockets and cbor2 (pip or Debian's python3-websockets, python3-cbor2).
For a program that shall survive a lost link take ../micropython/topicd.py: it runs here too."""

import asyncio
import sys

import cbor2
import websockets

OP, ID, TOPIC, DATA, TS, SEQ, ACK, ERR, OPTS = range(9)
HELLO, WELCOME, PUB, MSG, SUB, UNSUB, OK, ERROR = range(8)


async def main(url):
    async with websockets.connect(url) as ws:
        async def send(m):
            await ws.send(cbor2.dumps(m))

        await send({OP: HELLO, OPTS: {"dev": "py-1"}})
        await send({OP: SUB, TOPIC: "greenhouse/1/fan"})
        await send({OP: PUB, ID: 1, TOPIC: "greenhouse/1/temp", DATA: {2: 21.5, 1: "Cel"}})  # SenML: v, u
        async for frame in ws:
            m = cbor2.loads(frame)
            if m[OP] == OK and m.get(ID) == 1:
                print("ack", m[SEQ], flush=True)
            elif m[OP] == ERROR:
                print(m[ERR]["code"], m[ERR]["msg"], flush=True)
            elif m[OP] == MSG:
                print("command", m[DATA], flush=True)
                break


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://192.168.1.7:22345/ws"))
