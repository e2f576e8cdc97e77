package settings

import (
	"errors"
	"fmt"
	"strings"

	"topicd/codec"
	"topicd/node/front"
)

// What values of flags must be, beyond what their types want.

func (s *Settings) checkListen(text string) error {
	_, _, err := front.Split(text, s.program.Dialects())
	return err
}

func (s *Settings) checkMQTT(text string) error {
	if text == "off" {
		return nil
	}
	return s.checkListen(text + mqttOnly)
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

func checkTLS(text string) error {
	cert, key, two := strings.Cut(text, ",")
	if text == "off" || text == "auto" || two && cert != "" && key != "" {
		return nil
	}
	return fmt.Errorf("%q is none of off, auto, CERT,KEY", text)
}
