/* A device that speaks JSON to the hub with the C client: json PORT. It prints what it hears. */
#include "topicd.h"
#include "topicd_json.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

static uint32_t tx[64];
static uint8_t rx[1024];
static td_out out = { tx, sizeof tx, 0, 0, 0 };
static td_in in = { rx, sizeof rx, 0, 0, 0 };
static int sock;

static void say(const char *json)
{
	const uint8_t *f;
	if (getrandom(&out.mask, sizeof out.mask, 0) < 0)
		exit(1);
	f = td_say(&out, json);
	if (!f || send(sock, f, out.len, 0) != (ssize_t)out.len)
		exit(1);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a;
	td_val m;
	int op;
	memset(&a, 0, sizeof a);
	a.sin_family = AF_INET;
	a.sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "0"));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sock = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(sock, (struct sockaddr *)&a, sizeof a))
		return 1;
	td_handshake(&out, "127.0.0.1", "/ws");
	if (send(sock, tx, out.len, 0) != (ssize_t)out.len)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (;;) {
		ssize_t n;
		while ((op = td_poll(&in, &m)) > 0) {
			if (op == TD_ACCEPTED) {
				say("{\"op\":\"hello\",\"opts\":{\"dev\":\"json-1\"}}");
				say("{\"op\":\"pub\",\"id\":1,\"topic\":\"json/temp\",\"data\":21.5}");
			} else if (op == TD_WS_TEXT) {
				printf("%.*s\n", (int)(m.end - m.at), (const char *)m.at);
			} else {
				printf("%d\n", op);
			}
		}
		n = recv(sock, rx + in.len, sizeof rx - in.len, 0);
		if (op < 0 || n <= 0)
			return 0;
		in.len += (size_t)n;
	}
}
