// ESPHome's end of topicd: see __init__.py for its configuration.
#pragma once

#include <string>

#include "esphome/core/component.h"
#include "esphome/core/preferences.h"

#include "TopicdSockets.h"

namespace esphome {
namespace topicd {

class TopicdComponent : public Component, public TopicdSockets {
 public:
  void setup() override;
  void loop() override { TopicdSession::loop(); }
  void dump_config() override;
  float get_setup_priority() const override;

  void set_device(const std::string &device) { this->device_ = device; }
  void set_prefix(const std::string &prefix) { this->prefix_ = prefix + "/"; }
  void set_hub_id(const std::string &id) { this->hub_id_ = id; }
  void set_include_internal(bool all) { this->all_ = all; }
  void set_address(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port, const std::string &path) {
    const uint8_t ip[4] = {a, b, c, d};
    memcpy(this->ip_, ip, 4);
    this->port_ = port;
    this->path_ = path;
  }

 protected:
  bool network() override;
  uint32_t now() override;
  uint32_t random() override;
  void load(TopicdSaved *saved) override;
  void save(const TopicdSaved &saved) override;
  void changed(const char *what) override;

  template<typename F> void each_(F f);

  ESPPreferenceObject kept_;
  std::string device_, prefix_, hub_id_, path_;
  uint8_t ip_[4] = {};
  uint16_t port_ = 0;
  bool all_ = false;
};

}  // namespace topicd
}  // namespace esphome
