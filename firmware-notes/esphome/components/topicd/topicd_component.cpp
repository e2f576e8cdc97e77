#include "topicd_component.h"

#include "esphome/components/network/util.h"
#include "esphome/core/application.h"
#include "esphome/core/defines.h"
#include "esphome/core/hal.h"
#include "esphome/core/helpers.h"
#include "esphome/core/log.h"

namespace esphome {
namespace topicd {

static const char *const TAG = "topicd";

float TopicdComponent::get_setup_priority() const { return setup_priority::AFTER_WIFI; }
bool TopicdComponent::network() { return network::is_connected(); }
uint32_t TopicdComponent::now() { return millis(); }
uint32_t TopicdComponent::random() { return random_uint32(); }

void TopicdComponent::load(TopicdSaved *saved) { this->kept_.load(saved); }

void TopicdComponent::save(const TopicdSaved &saved) {
  TopicdSaved old = {};
  if (this->kept_.load(&old) && memcmp(&old, &saved, sizeof old) == 0) return;
  this->kept_.save(&saved);
  global_preferences->sync();  // a token is told once
}

// SenML's name of a unit (RFC 8428 12.1), where ESPHome has another one.
static const char *senml(const std::string &unit) {
  if (unit == "°C") return "Cel";
  if (unit.empty()) return nullptr;
  return unit.c_str();
}

// Calls f with each entity that is published.
template<typename F> void TopicdComponent::each_(F f) {
#ifdef USE_SENSOR
  for (auto *s : App.get_sensors())
    if (this->all_ || !s->is_internal()) f(s);
#endif
#ifdef USE_BINARY_SENSOR
  for (auto *s : App.get_binary_sensors())
    if (this->all_ || !s->is_internal()) f(s);
#endif
#ifdef USE_TEXT_SENSOR
  for (auto *s : App.get_text_sensors())
    if (this->all_ || !s->is_internal()) f(s);
#endif
}

namespace {

// One for each kind of entity: says its state now, and whenever it has another one.
struct Say {
  TopicdComponent *to;
  const std::string &prefix;
#ifdef USE_SENSOR
  void operator()(sensor::Sensor *s) const {
    if (s->has_state()) to->publish((prefix + s->get_object_id()).c_str(), s->get_state(), senml(s->get_unit_of_measurement()));
  }
#endif
#ifdef USE_BINARY_SENSOR
  void operator()(binary_sensor::BinarySensor *s) const {
    if (s->has_state()) to->publish((prefix + s->get_object_id()).c_str(), s->state);
  }
#endif
#ifdef USE_TEXT_SENSOR
  void operator()(text_sensor::TextSensor *s) const {
    if (s->has_state()) to->publish((prefix + s->get_object_id()).c_str(), s->state.c_str());
  }
#endif
};

}  // namespace

void TopicdComponent::setup() {
  this->kept_ = global_preferences->make_preference<TopicdSaved>(fnv1_hash("topicd"), true);
  if (!this->hub_id_.empty()) this->onlyHub(this->hub_id_.c_str());
  if (this->port_ != 0) this->connectTo(this->ip_, this->port_, this->path_.c_str());
  this->begin(this->device_.c_str());
  this->each_([this](auto *s) { s->add_on_state_callback([this, s](auto &&) { Say{this, this->prefix_}(s); }); });
}

void TopicdComponent::dump_config() {
  ESP_LOGCONFIG(TAG, "topicd:");
  ESP_LOGCONFIG(TAG, "  Name: %s", this->device_.c_str());
  ESP_LOGCONFIG(TAG, "  Topics: %s…", this->prefix_.c_str());
}

// A hub that is there again gets what there is: a sensor may say nothing for hours.
void TopicdComponent::changed(const char *what) {
  ESP_LOGI(TAG, "%s", what);
  if (this->online()) this->each_(Say{this, this->prefix_});
}

}  // namespace topicd
}  // namespace esphome
