// Package mqtt speaks MQTT 3.1.1 and 5 on the hub's topics.
package mqtt
