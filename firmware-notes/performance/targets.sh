
# What measure.sh adds to the peers' targets; TMP and PORT are its.
eval "their_$(declare -f target)"
target() {
  case $1 in
    hub-mixed)     their_target hub-cbor && PROTO=hubmixed ;;
    hub-json-cbor) their_target hub-json && PROTO=hubjsoncbor ;;
    hub-cbor-json) their_target hub-cbor && PROTO=hubcborjson ;;
    hub-tls)       their_target hub-json && ADDR=127.0.0.1:$((PORT + 1)) ;;
    mosq-tls)      PROTO=mqtt ADDR=127.0.0.1:$((PORT + 1)) CMD="/usr/sbin/mosquitto -c $TMP/mosq-tls.conf" ;;
    nats-mqtt)     rm -rf "$TMP/jetstream"; PROTO=mqtt ADDR=127.0.0.1:1886 CMD="$B/nats-server -c $TMP/nats-mqtt.conf" ;;
    mosq-tcp-q1)   PROTO=mqttq1 ADDR=127.0.0.1:1883 CMD="/usr/sbin/mosquitto -c $TMP/mosq-q1.conf" ;;
    *-q1)          target "${1%-q1}" && PROTO=mqttq1 ;;
    bare-go)       PROTO=bare ADDR=127.0.0.1:7004 CMD="$TMP/bare-go 127.0.0.1:7004" ;;
    bare-c)        PROTO=bare ADDR=127.0.0.1:7005 CMD="$TMP/bare-c 7005" ;;
    *)             their_target "$1" ;;
  esac
}
