"""A client of topicd with aiohttp and cbor2, as Debian has them.

aioclient.py URL: publishes what Python calls a number, a set, a date … by a WebSocket and by HTTP,
and prints how it is told to who reads JSON.
"""
import asyncio
import datetime
import decimal
import sys
import uuid

import aiohttp
import cbor2

VALUES = [
    decimal.Decimal("21.50"), decimal.Decimal("-1E+30"), 2**70, -(2**70), 21.5, {7}, uuid.UUID(int=1),
    datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone.utc), cbor2.CBORTag(55799, {2: 21.5, 1: "Cel"}),
]


async def main(url):
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url) as ws:
            for n, v in enumerate(VALUES):
                frame = {0: 2, 1: float(n), 2: "aio/ws", 3: v, 5: cbor2.undefined, 8: None, 99: cbor2.undefined}
                await ws.send_bytes(cbor2.dumps(cbor2.CBORTag(55799, frame)))
                m = cbor2.loads((await ws.receive()).data)
                assert (m[0], m[1], m[5]) == (6, n, n + 1), (v, m)
            await ws.send_json({"op": "pub", "id": 1e3, "topic": "aio/ws", "data": None, "seq": None})
            m = (await ws.receive()).json()
            assert (m["op"], m["id"]) == ("ok", 1000), m
            await ws.send_bytes(b'{"op":"ping"}')
            m = cbor2.loads((await ws.receive()).data)
            assert "this looks like JSON" in m[7]["msg"], m
        http = url.replace("ws://", "http://").removesuffix("/ws")
        for data, kind in ((b"\xef\xbb\xbf21.5\r\n", None), ("22", None), (cbor2.dumps(decimal.Decimal("23.5")), "application/cbor")):
            async with session.post(http + "/api/pub/aio/http", data=data, headers={"Content-Type": kind} if kind else None) as r:
                assert r.status == 200, (data, r.status, await r.text())
        for topic in ("aio/ws", "aio/http"):
            async with session.get(http + "/api/export", params={"topic": topic}) as r:
                print((await r.text()).strip())


asyncio.run(main(sys.argv[1]))
