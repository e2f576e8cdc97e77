#include <TopicdClient.h>
Topicd hub;
void setup() {
  WiFi.begin("your network", "your password");
  hub.begin();
}
void loop() {
  hub.publish("greenhouse/temp", 21.5);
  hub.wait(10000);
}
