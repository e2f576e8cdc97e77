#!/bin/bash
# Assembles in a folder what others want in folders of their own, from the files here, so that
# none of them is twice in the repository. make firmware calls it.
#   assemble.sh FOLDER      arduino/topicd, topicd-arduino.zip, esphome/components/topicd
set -euo pipefail
mkdir -p "$1"
to=$(cd "$1" && pwd)
cd "$(dirname "$0")"

lib=$to/arduino/topicd
rm -rf "$lib" "$to/topicd-arduino.zip"
mkdir -p "$lib/src" "$lib/examples"
cp arduino/library.properties arduino/library.json arduino/keywords.txt ../LICENSE "$lib/"
cp arduino/src/* c/topicd.[ch] c/topicd_dnssd.[ch] "$lib/src/"
cp -r arduino/examples/* arduino/TopicdSensor "$lib/examples/"
(cd "$to/arduino" && python3 -m zipfile -c "$to/topicd-arduino.zip" topicd)

esp=$to/esphome/components/topicd
rm -rf "$esp"
mkdir -p "$esp"
cp esphome/components/topicd/* arduino/src/TopicdSession.* arduino/src/TopicdSockets.h c/topicd.[ch] c/topicd_dnssd.[ch] "$esp/"
