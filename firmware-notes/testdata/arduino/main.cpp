#include "Arduino.h"
#include "TopicdSensor.ino"
int main() {
  setup();
  for (;;) loop();
}
