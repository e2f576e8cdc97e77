#!/usr/bin/env python3
"""Draws terminal.svg: what a terminal really shows of a hub with the demo's sensors.

    make build tools && python3 firmware-notes/pictures/terminal.py

It wants tmux and Node.js, and takes half a minute."""
import os
import re
import subprocess
import tempfile
import time
from html import escape

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
TOPICD = os.path.join(ROOT, "bin", "topicd")
COLUMNS = 92
WIDE, HIGH, EDGE = 8.4, 18, 14  # of a character, of a line, around them

PALE, PLAIN, DARK = "#8b95a5", "#d7dde6", "#12161c"
COLOURS = {31: "#f07178", 32: "#9ccc65", 33: "#ffcb6b", 34: "#82aaff", 35: "#c792ea", 36: "#6fd3e0", 90: PALE}


def runs(line, look):
    """The line's texts with their place and look: (column, text, colour, reversed). A look lasts over the line's end."""
    column, out = 0, []
    colour, swapped = look
    for part in re.split(r"(\x1b\[[\d;]*m)", line):
        codes = re.fullmatch(r"\x1b\[([\d;]*)m", part)
        if not codes:
            if part:
                out.append((column, part, colour, swapped))
            column += len(part)
            continue
        for code in (int(c or 0) for c in codes[1].split(";")):
            if code in (0, 39):
                colour = PLAIN
            if code in (0, 27):
                swapped = False
            if code == 2:
                colour = PALE
            if code == 7:
                swapped = True
            colour = COLOURS.get(code, colour)
    look[:] = colour, swapped
    return out


def draw(lines):
    width, height = COLUMNS * WIDE + 2 * EDGE, len(lines) * HIGH + 2 * EDGE
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}" role="img">',
        "<title>topicd sub and topicd top in a terminal</title>",
        f'<rect width="100%" height="100%" rx="8" fill="{DARK}"/>',
        '<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="14" xml:space="preserve">',
    ]
    look = [PLAIN, False]
    for i, line in enumerate(lines):
        y = EDGE + (i + 1) * HIGH - 5
        for column, text, colour, swapped in runs(line, look):
            if swapped:
                out.append(f'<rect x="{EDGE}" y="{y - 13}" width="{COLUMNS * WIDE:.0f}" height="{HIGH}" fill="{PLAIN}"/>')
                colour = DARK
            for word in re.finditer(r"\S+(?: \S+)*", text):
                x = EDGE + (column + word.start()) * WIDE
                size = len(word[0]) * WIDE
                out.append(f'<text x="{x:.1f}" y="{y}" textLength="{size:.1f}" fill="{colour}">{escape(word[0])}</text>')
    return "\n".join(out + ["</g>", "</svg>", ""])


def main():
    tmux = []
    with tempfile.TemporaryDirectory() as state:
        hub = subprocess.Popen(
            [TOPICD, "serve", "--mdns=off", "--listen", "127.0.0.1:0", "--state", state], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        feed = None
        try:
            url = next(line.strip() for line in hub.stdout if line.strip().startswith("ws://"))
            feed = subprocess.Popen(["node", os.path.join(ROOT, "node/web/testdata/browser/feed.mjs"), url])
            time.sleep(2)
            env = dict(os.environ, TERM="xterm-256color", TOPICD_HUB=url, TOPICD_MDNS="off")
            lines = []
            for command, high, wait in (("sub 'greenhouse/1/#' 'boat/#' --count 8", 11, 3), ("top", 12, 26)):
                tmux = ["tmux", "-L", f"topicd-picture-{os.getpid()}-{high}"]
                run = f"PATH={os.path.dirname(TOPICD)}:$PATH; topicd {command}; sleep 9"
                subprocess.run([*tmux, "new-session", "-d", "-x", str(COLUMNS), "-y", str(high), run], check=True, env=env)
                time.sleep(wait)
                shown = subprocess.run([*tmux, "capture-pane", "-e", "-p"], check=True, capture_output=True, text=True).stdout
                subprocess.run([*tmux, "kill-server"], check=True)
                lines += [f"\x1b[0;2m$\x1b[0m topicd {command}", *shown.rstrip("\n").split("\n"), ""]
        finally:
            if tmux:
                subprocess.run([*tmux, "kill-server"], stderr=subprocess.DEVNULL)
            for p in (feed, hub):
                if p:
                    p.terminate()
                    p.wait()
    with open(os.path.join(ROOT, "firmware-notes/pictures/terminal.svg"), "w") as f:
        f.write(draw(lines[:-1]))


main()
