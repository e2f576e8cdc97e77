package main

import (
	"errors"
	"strings"

	"topicd/codec"
	"topicd/node/front"
)

// What values of flags must be, beyond what their types want.

func checkListen(text string) error {
	_, _, err := front.Split(text, dialectNames())
	return err
}

func checkMQTT(text string) error {
	if text == "off" {
		return nil
	}
	return checkListen(text + mqttOnly)
}

// checkPrefix refuses a prefix of Home Assistant's discovery that is no topic.
func checkPrefix(text string) error {
	if err := codec.CheckTopic([]byte(text)); err != nil {
		return errors.New(err.Msg)
	}
	if text[0] == '$' || strings.HasSuffix(text, "/") {
		return errors.New("a prefix does not begin with $ or end with /")
	}
	return nil
}
