# topicd.py on a board whose ticks have 30 bits, a week after it was there last: it waits
# for seconds between its attempts, not for the days until the ticks have come round.
import sys, time

now, period, slept = 0, 1 << 30, []
time.ticks_ms = lambda: now % period
time.ticks_diff = lambda a, b: (a - b + period // 2) % period - period // 2
time.sleep = slept.append
sys.path.insert(0, "micropython")
import topicd

class Enough(Exception):
    pass

def connect():
    hub.tries += 1
    if hub.tries > 5:
        raise Enough
    raise OSError("no network")

hub = topicd.Hub("127.0.0.1", 1)
hub._connect, hub.tries = connect, 0
now += 7 * 24 * 3600 * 1000
try:
    hub._ready()
except Enough:
    print("patient" if 0 < max(slept) <= 30 else slept)
