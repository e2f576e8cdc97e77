// Publishes a temperature with its unit, and switches the LED as a topic says.
#include <TopicdClient.h>

Topicd hub;

void obey(const char *topic, const TopicdValue &value) {
  Serial.println(topic);
  digitalWrite(2, value.on() ? HIGH : LOW); // true, 1, 0.7, {"on":true}, or SenML's vb
}

void setup() {
  Serial.begin(115200);
  pinMode(2, OUTPUT);
  WiFi.begin("your network", "your password");
  hub.log(Serial);
  hub.begin("greenhouse-1"); // its name at the hub: another one on each board
  hub.subscribe("greenhouse/1/fan", obey);
}

void loop() {
  hub.publish("greenhouse/1/temp", 20.0 + (millis() % 100) / 16.0, "Cel"); // your sensor here
  hub.wait(10000);
}
