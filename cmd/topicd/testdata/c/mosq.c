/* libmosquitto of Debian against the hub: mosq PORT. Prints "done". */
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int want, got;

static void on_connect(struct mosquitto *m, void *u, int rc) {
	(void)u;
	if (rc) exit(2);
	mosquitto_subscribe(m, NULL, "c/#", 2);
}

static void on_subscribe(struct mosquitto *m, void *u, int mid, int n, const int *qos) {
	(void)u; (void)mid;
	if (n != 1 || qos[0] != 2) exit(3);
	for (want = 0; want < 60; want++) {
		char t[16], b[16];
		snprintf(t, sizeof t, "c/%d", want % 5);
		snprintf(b, sizeof b, "%d", want);
		mosquitto_publish(m, NULL, t, (int)strlen(b), b, want % 3, false);
	}
}

static void on_message(struct mosquitto *m, void *u, const struct mosquitto_message *x) {
	(void)u;
	int i = atoi(x->payload);
	if (x->qos != i % 3 || x->retain) exit(4);
	if (++got == want) mosquitto_disconnect(m);
}

int main(int argc, char **argv) {
	if (argc < 2) return 1;
	mosquitto_lib_init();
	struct mosquitto *m = mosquitto_new("c", true, NULL);
	mosquitto_connect_callback_set(m, on_connect);
	mosquitto_subscribe_callback_set(m, on_subscribe);
	mosquitto_message_callback_set(m, on_message);
	if (mosquitto_connect(m, "127.0.0.1", atoi(argv[1]), 30)) return 5;
	mosquitto_loop_forever(m, 1000, 1);
	if (got != 60) return 6;
	puts("done");
	return 0;
}
