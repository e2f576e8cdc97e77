#include "Arduino.h"
#include SKETCH
int main() {
  setup();
  for (;;) loop();
}
