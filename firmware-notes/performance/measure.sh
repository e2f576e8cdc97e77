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
#   WORKS="…"     of those below; the rows of others stay
#   TARGETS="…"   peers beside the hub; those that no goal names in the first repetition only
#   COUNT=3 BENCHTIME=200ms   of the growth benchmarks; COUNT=0 leaves them out
#   PORT=22345    of the hub under test
#   FRESH=1       begin anew
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
peers=${PEERS:-../shared/peers}
reps=${REPS:-3} count=${COUNT:-3} port=${PORT:-22345}
works=${WORKS:-w1sat w1fix w1small w1large w1wild w1q1 w2sat w2fix w2small w2large w3 w3many w3q1 w4a w4b w5 w6 w7 w8 idle}
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

# The edge of an uplink. What becomes of a leaf node's readings takes most of a minute.
uplink() {
  local work t
  for work in w8 w8_kill w8_power; do
    for t in hub-uplink nats-leaf nats-leaf-always; do
      case $rep$work$t in ?w8_*always | [!1]w8_*leaf) continue ;; esac
      once "$rep $work $t" || continue
      taskset -c 1 "$tmp/edge" -topicd bin/topicd -nats "$workdir/bin/nats-server" -work "$work" "$t" >>$part/pinned || echo "FAIL $t $work"
      did "$rep $work $t"
    done
  done
}
# wakeups TARGET...: how often a second servers that nobody uses wake up, all at once.
wakeups() {
  local t servers=() watchers=()
  once "$rep idle" || return 0
  for t in "$@"; do
    (cd "$peers" && WORKDIR=$workdir HUB_CMD=${hub/--limits=bench/} && . ./targets.sh && target "$t" && exec taskset -c 0 $CMD) >/dev/null 2>&1 &
    servers+=($!)
  done
  sleep 5
  for t in "$@"; do
    taskset -c 1 "$workdir/bin/gen" -work idle -target "$t" -pid "${servers[${#watchers[@]}]}" >>$part/pinned &
    watchers+=($!)
  done
  wait "${watchers[@]}"
  kill "${servers[@]}"
  wait
  did "$rep idle"
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
  (cd "$peers" && REPS=1 WORKS=$works OUT=$tmp/rows WORKDIR=$workdir TMP=$tmp PORT=$port \
    HUB_CMD="$hub $flags" HUB_ADDR=127.0.0.1:$port HUB_MQTT_ADDR=127.0.0.1:$((port + 2)) ./run.sh "$@")
  if [ -s "$tmp/rows" ]; then
    if [ -n "$name" ]; then sed "s/\"Target\":\"[a-z0-9-]*\"/\"Target\":\"$name\"/" "$tmp/rows"; else cat "$tmp/rows"; fi >>"$out"
  fi
  did "$rep $out $name $works $*"
}
# keep PART FILE: the rows of this run in FILE, where those of works that it left out stay.
keep() {
  local ran
  ran=$(sed -E 's/.*"Work":"([^"]*)".*/\1/' "$part/$1" | sort -u | paste -sd'|')
  { grep -vE "\"Work\":\"(${ran:-none})\"" "$here/$2" || true; cat "$part/$1"; } >"$tmp/kept"
  cp "$tmp/kept" "$here/$2"
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
  # A copy of the peers, with more targets and works.
  cp -r "$peers" "$tmp/peers"
  chmod -R u+w "$tmp/peers"
  (cd "$tmp/peers" && git apply "$here/peers.patch")
  peers=$tmp/peers
  sed 1,2d "$here/gen.go" >"$peers/src/gen/ours.go"
  cat "$here/targets.sh" >>"$peers/targets.sh"
  # One that the generator reaches through TLS, NATS with its MQTT, readers that are no hubs.
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>/dev/null
  chmod 644 "$tmp/key.pem"
  chmod 755 "$tmp"
  sed "/^listener/,\$d" "$peers/conf/mosquitto.conf" >"$tmp/mosq-tls.conf"
  printf 'user root\nlistener 8884 127.0.0.1\ncertfile %s\nkeyfile %s\n' "$tmp/cert.pem" "$tmp/key.pem" >>"$tmp/mosq-tls.conf"
  sed '1i max_queued_messages 0' "$peers/conf/mosquitto.conf" >"$tmp/mosq-q1.conf" # by default it drops in w1q1
  printf 'server_name: mqtt\nlisten: 127.0.0.1:4223\nmax_connections: 200000\njetstream { store_dir: "%s/jetstream" }\nmqtt { listen: "127.0.0.1:1886" }\n' "$tmp" >"$tmp/nats-mqtt.conf"
  CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$tmp/bare-go" "$here/bare.go"
  cc -O2 -o "$tmp/bare-c" "$here/bare.c"
  CGO_ENABLED=0 go build -o "$tmp/untls" "$here/untls.go"
  CGO_ENABLED=0 go build -o "$tmp/edge" "$here/edge.go"
  [ -x "$workdir/bin/limit-go" ] || (cd "$peers" && WORKDIR=$workdir ./run.sh build)
  (cd "$peers/src/gen" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$workdir/bin/gen" .)
  # The same work without a core of one's own: a taskset that does nothing.
  mkdir "$tmp/loose"
  printf '#!/bin/sh\nshift 2\nexec "$@"\n' >"$tmp/loose/taskset"
  chmod +x "$tmp/loose/taskset"
  mqtt="--mqtt-listen 127.0.0.1:$((port + 2))"
  for rep in $(seq "$reps"); do
    echo "repetition $rep of $reps: $works"
    for w in $works; do
      # The hub's variants, the peers that a goal names, and who is beside them once.
      own="hub-json hub-cbor" peers_of= once_beside=
      case $w in
        w7) durable "$rep"; continue ;;
        w8) uplink; continue ;;
        idle) wakeups hub-json mosq-tcp nats-tcp; continue ;;
        w1q1 | w3q1) own= peers_of=mosq-tcp-q1 once_beside="mochi-tcp-q1 nats-mqtt-q1" ;;
        w1sat) own="$own hub-json-cbor hub-cbor-json hub-mqttws" peers_of="mosq-ws mosq-tcp bare-go bare-c" once_beside="$targets nats-mqtt" ;;
        w1fix) peers_of=mosq-tcp once_beside=$targets ;;
        w1small | w1large) peers_of=mosq-ws ;;
        w1wild) own=hub-json peers_of="mosq-ws nats-ws" ;;
        w2sat) own="$own hub-mixed hub-mqttws" peers_of="lim-go-b64 nats-ws mosq-tcp" once_beside="$targets nats-mqtt" ;;
        w2fix) peers_of=lim-go-raw once_beside=$targets ;;
        w2small | w2large) peers_of=nats-ws ;;
        w3) own="$own hub-mixed hub-mqttws" peers_of="mosq-ws mosq-tcp" once_beside="$targets nats-mqtt" ;;
        w3many) own=hub-json ;;
        w4a | w5) once_beside=$targets ;;
        w4b | w6) once_beside="mosq-ws mosq-tcp" ;; # minutes
      esac
      [ "$rep" = 1 ] || once_beside=
      pass $part/pinned "" "$w" "" $(printf '%s\n' $own $peers_of $once_beside | awk '!seen[$0]++')
      case $w in
        w1sat | w1fix | w2sat | w2fix | w3 | w4? | w5 | w6) pass $part/pinned "" "$w" "$mqtt" hub-mqtt ;;
        w1q1 | w3q1) pass $part/pinned "" "$w" "$mqtt" hub-mqtt-q1 ;;
      esac
      case $w in
        w3)
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
    keep pinned peers.jsonl # what there is so far
    keep unpinned peers-unpinned.jsonl
  done
  rm -f "$here/note.txt"
else
  echo "no peers at $peers: the rows that are here stay"
fi
go run ./firmware-notes/performance
rm -rf $part
