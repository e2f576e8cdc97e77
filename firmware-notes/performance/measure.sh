#!/bin/bash
# measure.sh: everything in performance.md from one command, run on a quiet
# Linux machine with two cores or more:
#
#     firmware-notes/performance/measure.sh
#
# It builds bin/topicd, measures growth and, where ../shared/peers is (or PEERS
# says), the hub beside its peers; it keeps the raw rows in this folder and makes
# performance.md and its plots from them. Takes about an hour; less with
#   REPS=3        repetitions, interleaved: each measures every target once
#   WORKS="…"     of w1sat w1fix w2sat w2fix w3 w4a w4b w5 w6
#   TARGETS="…"   peers beside the hub
#   SLOW=3        repetitions of w4b w5 w6, which hardly vary
#   COUNT=5 BENCHTIME=300ms   of the growth benchmarks; COUNT=0 leaves them out
#   PORT=22345    of the hub under test
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
peers=${PEERS:-../shared/peers}
reps=${REPS:-3} slow=${SLOW:-${REPS:-3}} count=${COUNT:-5} port=${PORT:-22345}
works=${WORKS:-w1sat w1fix w2sat w2fix w3 w4a w4b w5 w6}
targets=${TARGETS:-mosq-ws mosq-tcp nats-ws lim-go-raw lim-go-b64}
tmp=$(mktemp -d)
tunnel=
trap '[ -z "$tunnel" ] || kill "$tunnel"; rm -rf "$tmp"' EXIT

make -s build
go run ./firmware-notes/performance -machine >"$here/machine.txt"
if [ "$count" -gt 0 ]; then
  go test -c -o "$tmp/node.test" ./node
  for _ in $(seq "$count"); do # all sizes once, then again: a busy minute meets them all
    (cd node && "$tmp/node.test" -test.run '^$' -test.bench Grow -test.benchtime "${BENCHTIME:-300ms}")
  done >"$tmp/growth.txt"
  mv "$tmp/growth.txt" "$here/growth.txt"
fi

hub="$PWD/bin/topicd serve --listen 127.0.0.1:$port --mdns=off --sense=off --limits=bench --state $tmp/state"
# pass OUT NAME WORKS HUB_FLAGS TARGET...: one repetition. With a NAME the hub's
# rows are called that. One hub's command serves all targets of a pass.
pass() {
  local out=$1 name=$2 works=$3 flags=$4
  shift 4
  [ -n "$works" ] || return 0
  rm -f "$tmp/rows"
  (cd "$peers" && REPS=1 WORKS=$works OUT=$tmp/rows WORKDIR=$workdir \
    HUB_CMD="$hub $flags" HUB_ADDR=127.0.0.1:$port ./run.sh "$@")
  [ -s "$tmp/rows" ] || return 0
  if [ -n "$name" ]; then sed "s/\"Target\":\"hub-[a-z]*\"/\"Target\":\"$name\"/" "$tmp/rows"; else cat "$tmp/rows"; fi >>"$out"
}
# over_tls WORK: the hub's row over TLS, called hub-json-tls. At fixed rates only:
# saturated, the tunnel on the generator's core would be what is measured.
over_tls() {
  taskset -c 1 "$tmp/untls" "127.0.0.1:$((port + 1))" "127.0.0.1:$port" &
  tunnel=$!
  pass "$tmp/pinned" hub-json-tls "$1" "--tls=auto" hub-tls
  kill "$tunnel"
  wait "$tunnel" 2>/dev/null || true
  tunnel=
}
# only WANTED...: those of them that are to be measured.
only() { for w in "$@"; do case " $these " in *" $w "*) echo -n "$w " ;; esac; done; }

if [ -x "$peers/run.sh" ]; then
  workdir=${WORKDIR:-${TMPDIR:-/tmp}/topicd-peers}
  # A copy of the peers, with one more target: dashboards of both encodings.
  cp -r "$peers" "$tmp/peers"
  chmod -R u+w "$tmp/peers"
  peers=$tmp/peers
  sed 1,2d "$here/mixed.go" >"$peers/src/gen/mixed.go"
  sed -i 's|^    hub-cbor).*|&\n    hub-mixed) PROTO=hubmixed ADDR=${HUB_ADDR:-127.0.0.1:22345} CMD="$HUB_CMD" ;;|' "$peers/targets.sh"
  # And one that the generator reaches through TLS.
  sed -i "s|^    hub-cbor).*|&\n    hub-tls) PROTO=hubjson ADDR=127.0.0.1:$((port + 1)) CMD=\"\$HUB_CMD\" ;;|" "$peers/targets.sh"
  CGO_ENABLED=0 go build -o "$tmp/untls" "$here/untls.go"
  [ -x "$workdir/bin/limit-go" ] || (cd "$peers" && WORKDIR=$workdir ./run.sh build)
  (cd "$peers/src/gen" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$workdir/bin/gen" .)
  # The same work without a core of one's own: a taskset that does nothing.
  mkdir "$tmp/loose"
  printf '#!/bin/sh\nshift 2\nexec "$@"\n' >"$tmp/loose/taskset"
  chmod +x "$tmp/loose/taskset"
  : >"$tmp/pinned"
  : >"$tmp/unpinned"
  for rep in $(seq "$reps"); do
    these=$works
    if [ "$rep" -gt "$slow" ]; then these=$(only w1sat w1fix w2sat w2fix w3 w4a); fi
    echo "repetition $rep of $reps: $these"
    for w in $these; do # the hub's variants stand beside the peers that they are compared with
      beside=$targets
      case $w in w4b | w6) if [ "$rep" -gt 1 ]; then beside=; fi ;; esac # minutes each, and they hardly vary
      pass "$tmp/pinned" "" "$w" "" hub-json hub-cbor $beside
      case $w in
        w2sat) pass "$tmp/pinned" "" "$w" "" hub-mixed ;;
        w3)
          pass "$tmp/pinned" "" "$w" "" hub-mixed
          pass "$tmp/pinned" hub-json-pace0 w3 "--pace 0" hub-json
          over_tls w3
          ;;
        w1fix | w2fix) over_tls "$w" ;;
        w4b) TOPICD_READER=goroutine pass "$tmp/pinned" hub-portable w4b "" hub-json ;;
      esac
    done
    if [ -n "$(only w3)" ]; then
      PATH=$tmp/loose:$PATH pass "$tmp/unpinned" "" w3 "" hub-json hub-cbor mosq-ws
      PATH=$tmp/loose:$PATH pass "$tmp/unpinned" hub-json-pace0 w3 "--pace 0" hub-json
    fi
  done
  mv "$tmp/pinned" "$here/peers.jsonl"
  if [ "$count" -gt 0 ]; then rm -f "$here/note.txt"; fi # all rows are new
  if [ -s "$tmp/unpinned" ]; then mv "$tmp/unpinned" "$here/peers-unpinned.jsonl"; fi
else
  echo "no peers at $peers: the rows that are here stay"
fi
go run ./firmware-notes/performance
