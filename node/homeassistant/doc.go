// Package homeassistant tells Home Assistant of the hub's sensors, by its MQTT
// discovery: one retained configuration for each device, at
// PREFIX/device/<id>/config.
//
//	topics ──round──► sight (unit, value, from) ──► device ──► configuration ──► node.Session ──► MQTT
//	                  a topic's newest reading      device.go  config.go
//	PREFIX/# ──subscription──► others' configurations, "online" of Home Assistant
//
// It looks at the newest reading of each topic in rounds and subscribes to nothing
// but PREFIX/#: publishing costs no more than without it. A topic is a sensor when
// its newest reading is SenML (RFC 8428) with a number and a unit; units.go says
// what Home Assistant calls that unit.
//
// # What it leaves alone
//
// Topics that a configuration of somebody else names under PREFIX: Tasmota, ESPHome
// and Zigbee2MQTT know better what their sensors are.
//
// A topic that is declared writable is a number or a switch, which sets it (setpoint.go).
//
// # When
//
// Unless it is told otherwise, from the moment when somebody subscribes below PREFIX
// or publishes PREFIX/status. Everything is sent again when Home Assistant says that
// it is online. A configuration changes with its topics; it goes, with an empty
// payload, when the last of them does.
package homeassistant
