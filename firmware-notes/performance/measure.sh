#!/bin/bash
# measure.sh: everything in performance.md from one command, run on a quiet
# Linux machine with two cores or more:
#
#     firmware-notes/performance/measure.sh
#
# It builds bin/topicd, measures growth, what is durable beside other stores, and,
# where ../shared/peers is (or PEERS says), the hub beside its peers; it keeps the raw
# rows in this folder and makes performance.md and its plots from them. It takes about
# 40 minutes and goes on where it was stopped, if the program is the same. Less with
#   REPS=3        repetitions, interleaved: each measures every target once
#   WORKS="…"     of w1sat w1fix w2sat w2fix w3 w4a w4b w5 w6 w7
#   TARGETS="…"   peers beside the hub
#   COUNT=3 BENCHTIME=200ms   of the growth benchmarks; COUNT=0 leaves them out
#   PORT=22345    of the hub under test
#   FRESH=1       begin anew
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
peers=${PEERS:-../shared/peers}
reps=${REPS:-3} count=${COUNT:-3} port=${PORT:-22345}
works=${WORKS:-w1sat w1fix w2sat w2fix w3 w4a w4b w5 w6 w7}
targets=${TARGETS:-mosq-ws mosq-tcp nats-ws mochi-tcp lim-go-raw lim-go-b64}
tmp=$(mktemp -d)
tunnel=
trap '[ -z "$tunnel" ] || kill "$tunnel"; rm -rf "$tmp"' EXIT

make -s build
# What was measured by a run that was stopped stays, unless the program is another.
part=.build/perf
build=$(sha256sum <bin/topicd)
if [ -n "${FRESH:-}" ] || [ "$(cat $part/build 2>/dev/null)" != "$build" ]; then rm -rf $part; fi
mkdir -p $part
echo "$build" >$part/build
touch $part/done $part/pinned $part/unpinned
# once STEP: whether that step is still to be done; did STEP notes that it is.
once() { ! grep -qxF "$*" $part/done; }
did() { echo "$*" >>$part/done; }

if once machine; then
  go run ./firmware-notes/performance -machine >"$here/machine.txt"
  did machine
fi
if [ "$count" -gt 0 ]; then
  go test -c -o "$tmp/node.test" ./node
  go test -c -o "$tmp/store.test" ./node/store
  for i in $(seq "$count"); do # all sizes once, then again: a busy minute meets them all
    once growth "$i" || continue
    echo "growth, $i of $count"
    (cd node && "$tmp/node.test" -test.run '^$' -test.bench Grow -test.benchtime "${BENCHTIME:-200ms}") >"$tmp/growth.txt"
    (cd node/store && "$tmp/store.test" -test.run '^$' -test.bench Grow -test.benchtime "${BENCHTIME:-200ms}") >>"$tmp/growth.txt"
    cat "$tmp/growth.txt" >>$part/growth.txt
    did growth "$i"
  done
  cp $part/growth.txt "$here/growth.txt"
fi
# Durable readings beside other stores, on this folder's disk.
durable() {
  once durable "$1" || return 0
  mkdir -p $part/disk
  (cd node/durable/beside && TMPDIR=$OLDPWD/$part/disk go test -run '^$' -bench Waiting -benchtime 1s .) >"$tmp/durable.txt"
  cat "$tmp/durable.txt" >>$part/durable.txt
  cp $part/durable.txt "$here/durable.txt"
  did durable "$1"
}

# Each run begins with nothing: what the one before kept at its end is not taken back.
hub="$PWD/bin/topicd serve --listen 127.0.0.1:$port --mdns=off --sense=off --limits=bench --keep-on-exit=off --state $tmp/state"
# pass OUT NAME WORKS HUB_FLAGS TARGET...: one repetition. With a NAME the rows are
# called that. One hub's command serves all targets of a pass.
pass() {
  local out=$1 name=$2 works=$3 flags=$4
  shift 4
  [ -n "$works" ] || return 0
  once "$rep $out $name $works $*" || return 0
  rm -f "$tmp/rows"
  (cd "$peers" && REPS=1 WORKS=$works OUT=$tmp/rows WORKDIR=$workdir \
    HUB_CMD="$hub $flags" HUB_ADDR=127.0.0.1:$port HUB_MQTT_ADDR=127.0.0.1:$((port + 2)) ./run.sh "$@")
  if [ -s "$tmp/rows" ]; then
    if [ -n "$name" ]; then sed "s/\"Target\":\"[a-z-]*\"/\"Target\":\"$name\"/" "$tmp/rows"; else cat "$tmp/rows"; fi >>"$out"
  fi
  did "$rep $out $name $works $*"
}
# over_tls WORK NAME TARGET BEHIND: a row through TLS, called NAME. At fixed rates
# only: saturated, the tunnel on the generator's core would be what is measured.
over_tls() {
  taskset -c 1 "$tmp/untls" "127.0.0.1:$((port + 1))" "$4" &
  tunnel=$!
  pass $part/pinned "$2" "$1" "--tls=auto" "$3"
  kill "$tunnel"
  wait "$tunnel" 2>/dev/null || true
  tunnel=
}
all_over_tls() {
  over_tls "$1" hub-json-tls hub-tls "127.0.0.1:$port"
  over_tls "$1" mosq-tcp-tls mosq-tls 127.0.0.1:8884
}

if [ -x "$peers/run.sh" ]; then
  workdir=${WORKDIR:-${TMPDIR:-/tmp}/topicd-peers}
  # A copy of the peers, with one more target: dashboards of both encodings.
  cp -r "$peers" "$tmp/peers"
  chmod -R u+w "$tmp/peers"
  peers=$tmp/peers
  sed 1,2d "$here/mixed.go" >"$peers/src/gen/mixed.go"
  sed -i 's|^    hub-cbor).*|&\n    hub-mixed) PROTO=hubmixed ADDR=${HUB_ADDR:-127.0.0.1:22345} CMD="$HUB_CMD" ;;|' "$peers/targets.sh"
  # And one that the generator reaches through TLS.
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>/dev/null
  chmod 644 "$tmp/key.pem"
  chmod 755 "$tmp"
  sed "/^listener/,\$d" "$peers/conf/mosquitto.conf" >"$tmp/mosq-tls.conf"
  printf 'user root\nlistener 8884 127.0.0.1\ncertfile %s\nkeyfile %s\n' "$tmp/cert.pem" "$tmp/key.pem" >>"$tmp/mosq-tls.conf"
  sed -i "s|^    hub-cbor).*|&\n    mosq-tls) PROTO=mqtt ADDR=127.0.0.1:$((port + 1)) CMD=\"/usr/sbin/mosquitto -c $tmp/mosq-tls.conf\" ;;|" "$peers/targets.sh"
  sed -i "s|^    hub-cbor).*|&\n    hub-tls) PROTO=hubjson ADDR=127.0.0.1:$((port + 1)) CMD=\"\$HUB_CMD\" ;;|" "$peers/targets.sh"
  CGO_ENABLED=0 go build -o "$tmp/untls" "$here/untls.go"
  [ -x "$workdir/bin/limit-go" ] || (cd "$peers" && WORKDIR=$workdir ./run.sh build)
  (cd "$peers/src/gen" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$workdir/bin/gen" .)
  # The same work without a core of one's own: a taskset that does nothing.
  mkdir "$tmp/loose"
  printf '#!/bin/sh\nshift 2\nexec "$@"\n' >"$tmp/loose/taskset"
  chmod +x "$tmp/loose/taskset"
  for rep in $(seq "$reps"); do
    echo "repetition $rep of $reps: $works"
    for w in $works; do # the hub's variants stand beside the peers that they are compared with
      case $w in
        w7) durable "$rep"; continue ;;
        w4b | w6) # minutes each, and they hardly vary
          beside=
          if [ "$rep" = 1 ]; then beside="mosq-ws mosq-tcp"; fi
          ;;
        *) beside=$targets ;;
      esac
      pass $part/pinned "" "$w" "" hub-json hub-cbor $beside
      pass $part/pinned "" "$w" "--mqtt-listen 127.0.0.1:$((port + 2))" hub-mqtt
      case $w in
        w1sat) pass $part/pinned "" "$w" "" hub-mqttws ;;
        w2sat) pass $part/pinned "" "$w" "" hub-mixed hub-mqttws ;;
        w3)
          pass $part/pinned "" "$w" "" hub-mixed hub-mqttws
          pass $part/pinned hub-json-pace0 w3 "--pace 0" hub-json
          all_over_tls w3
          ;;
        w1fix | w2fix) all_over_tls "$w" ;;
        w4b) TOPICD_READER=goroutine pass $part/pinned hub-portable w4b "" hub-json ;;
      esac
    done
    if [[ " $works " == *" w3 "* ]]; then
      PATH=$tmp/loose:$PATH pass $part/unpinned "" w3 "" hub-json hub-cbor mosq-ws
      PATH=$tmp/loose:$PATH pass $part/unpinned hub-json-pace0 w3 "--pace 0" hub-json
    fi
    cp $part/pinned "$here/peers.jsonl" # what there is so far
    if [ -s $part/unpinned ]; then cp $part/unpinned "$here/peers-unpinned.jsonl"; fi
  done
  rm -f "$here/note.txt"
else
  echo "no peers at $peers: the rows that are here stay"
fi
go run ./firmware-notes/performance
rm -rf $part
