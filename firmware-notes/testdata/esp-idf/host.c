#include "main.c"
int main(void) { setvbuf(stdout, NULL, _IOLBF, 0); app_main(); }
