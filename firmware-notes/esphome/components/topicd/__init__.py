"""topicd for ESPHome: publishes what the node's sensors say to a hub on the local network.

    external_components:
      - source: {type: local, path: components}
    topicd:
"""

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.const import (
    CONF_ID,
    CONF_INCLUDE_INTERNAL,
    CONF_NAME,
    CONF_PORT,
    PLATFORM_ESP32,
    PLATFORM_HOST,
)
from esphome.core import CORE

DEPENDENCIES = ["network"]

CONF_HOST = "host"
CONF_HUB_ID = "hub_id"
CONF_PATH = "path"
CONF_PREFIX = "prefix"

TopicdComponent = cg.esphome_ns.namespace("topicd").class_("TopicdComponent", cg.Component)


def topic(value):
    """A name as the hub takes it: levels, none empty, and no pattern."""
    value = cv.string_strict(value)
    levels = value.split("/")
    if "" in levels or "." in levels or ".." in levels or value.startswith("$"):
        raise cv.Invalid("a topic has levels with a / between them, such as house/attic")
    if any(c in "+#" or ord(c) < 32 for c in value) or len(value) > 80:
        raise cv.Invalid("a topic has no + and #, no control characters, and here at most 80 characters")
    return value


CONFIG_SCHEMA = cv.All(
    cv.Schema(
        {
            cv.GenerateID(): cv.declare_id(TopicdComponent),
            # Without an address the hub is found by mDNS.
            cv.Optional(CONF_HOST): cv.ipv4,
            cv.Optional(CONF_PORT, default=22345): cv.port,
            cv.Optional(CONF_PATH, default="/ws"): cv.All(cv.string_strict, cv.Length(min=1, max=64)),
            # The TXT id of the hub, where several answer.
            cv.Optional(CONF_HUB_ID): cv.All(cv.string_strict, cv.Length(min=1, max=16)),
            # Both are the node's name unless they are said.
            cv.Optional(CONF_NAME): cv.string_strict,
            cv.Optional(CONF_PREFIX): topic,
            cv.Optional(CONF_INCLUDE_INTERNAL, default=False): cv.boolean,
        }
    ).extend(cv.COMPONENT_SCHEMA),
    # The others have no sockets that do not wait.
    cv.only_on([PLATFORM_ESP32, PLATFORM_HOST]),
)


async def to_code(config):
    var = cg.new_Pvariable(config[CONF_ID])
    await cg.register_component(var, config)
    cg.add(var.set_device(config.get(CONF_NAME, CORE.name)))
    cg.add(var.set_prefix(config.get(CONF_PREFIX, CORE.name)))
    cg.add(var.set_include_internal(config[CONF_INCLUDE_INTERNAL]))
    if CONF_HUB_ID in config:
        cg.add(var.set_hub_id(config[CONF_HUB_ID]))
    if CONF_HOST in config:
        a, b, c, d = str(config[CONF_HOST]).split(".")
        cg.add(var.set_address(int(a), int(b), int(c), int(d), config[CONF_PORT], config[CONF_PATH]))
