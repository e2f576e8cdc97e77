/* example_linux.c - a device: finds the hub or is told where it is, joins where one must, publishes
 * a reading and gets its ack, publishes by alias, waits for a command, obeys, says goodbye.
 * Also the test of topicd.c against the real hub (../firmware_test.go reads what it prints).
 *
 *      example_linux [--token FILE] HOST PORT PATH DEVICE
 *      example_linux [--token FILE] --find INTERFACE [ID] DEVICE
 *
 * FILE is where it keeps the token that it gets when it joins; a microcontroller has flash.
 */
#define _DEFAULT_SOURCE
#include "topicd.h"
#include "topicd_dnssd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef TRIES
#define TRIES 3 /* of 5 seconds: enough for a radio that sleeps */
#endif

static uint32_t tx[64];  /* 256 bytes: a topic of 128 and a record */
static uint8_t rx[256];
static td_out out = { .buf = tx, .cap = sizeof tx };
static td_in in = { .buf = rx, .cap = sizeof rx };
static int sock;
static char token[TD_TOKEN]; /* "": none */

static td_topic temp = { "example/temp", 0 };
static td_topic state = { "example/state", 0 };
static td_topic command = { "example/command", 0 };

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void timeout(int fd, int seconds)
{
	struct timeval tv = { .tv_sec = seconds };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
}

static void send_all(const void *p, size_t n)
{
	if (p == NULL || n == out.cap) {
		fprintf(stderr, "tx is too small\n");
		exit(1);
	}
	while (n) {
		ssize_t k = send(sock, p, n, 0);
		if (k <= 0)
			fail("send");
		p = (const char *)p + k;
		n -= (size_t)k;
	}
}

/* The mask of each frame is new (RFC 6455 5.3). */
static td_out *fresh(void)
{
	if (getrandom(&out.mask, sizeof out.mask, 0) != sizeof out.mask)
		fail("getrandom");
	return &out;
}

static void send_frame(const uint8_t *frame) { send_all(frame, out.len); }

/* Waits for the next message that is the application's; the rest is answered here. */
static int receive(td_val *m)
{
	for (;;) {
		int op = td_poll(&in, m);
		ssize_t n;
		if (op == TD_WS_PING) {
			send_frame(td_control(fresh(), TD_WS_PONG, m->at, (size_t)(m->end - m->at)));
			continue;
		}
		if (op == TD_WS_CLOSE || op < 0) {
			printf("closed %d\n", op < 0 ? -1 : m->end - m->at >= 2 ? m->at[0] << 8 | m->at[1] : 0);
			exit(1);
		}
		if (op > 0)
			return op;
		n = recv(sock, in.buf + in.len, in.cap - in.len, 0);
		if (n < 0 && errno == EINTR)
			continue; /* stopped and continued: a recv that has a timeout ends then, handler or not */
		if (n <= 0)
			fail("recv");
		in.len += (size_t)n;
	}
}

static int64_t number(td_val m, uint32_t key) { return td_get(&m, key) ? td_int64(&m) : -1; }

/* What the hub says no to ends the example; a device would look at the code, see ../protocol.md. */
static void refused(td_val e)
{
	td_val text;
	if (td_get(&e, TD_K_ERR)) {
		text = e;
		if (td_get(&text, td_label("msg")) && text.type == TD_TEXT)
			printf("err %d %.*s\n", (int)number(e, td_label("code")), (int)text.lo, td_chars(&text));
	}
	exit(1);
}

static void load_token(const char *file)
{
	int fd = open(file, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, token, TD_TOKEN - 1);
	if (n < 0 || (fd < 0 && errno != ENOENT))
		fail(file);
	token[n] = 0;
	close(fd);
}

static void save_token(const char *file)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	size_t n = strlen(token);
	if (fd < 0 || write(fd, token, n) != (ssize_t)n || fsync(fd) != 0 || close(fd) != 0)
		fail(file);
	printf("token kept\n");
}

/* Waits for the answer to request id. */
static td_val answer(int id)
{
	for (;;) {
		td_val m;
		int op = receive(&m);
		if (op == TD_ERR)
			refused(m);
		if (op == TD_OK && number(m, TD_K_ID) == id)
			return m;
	}
}

static void print_value(td_val v)
{
	switch (v.type) {
	case TD_UINT:
	case TD_NEGINT: printf("int %lld", (long long)td_int64(&v)); break;
	case TD_FALSE:
	case TD_TRUE: printf("bool %d", v.type == TD_TRUE); break;
	case TD_HALF:
	case TD_SINGLE:
	case TD_DOUBLE: printf("float %g", (double)td_real(&v)); break;
	case TD_TEXT: printf("text %.*s", (int)v.lo, td_chars(&v)); break;
	case TD_MAP: { /* {"on":true} by name, or SenML's v by its label */
		td_val x = v;
		if (td_get(&x, td_label("on")) || (x = v, td_get(&x, 2)) || (x = v, td_get(&x, td_label("v"))))
			print_value(x);
		break;
	}
	default: printf("type %u", v.type);
	}
}

/* One question a try. */
static td_hub find_hub(const char *interface, const char *id)
{
	struct sockaddr_in group = { .sin_family = AF_INET, .sin_port = htons(5353) }, from;
	struct ip_mreqn on = { .imr_ifindex = (int)if_nametoindex(interface) };
	static uint8_t packet[1500];
	td_hub hub;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), i;
	inet_pton(AF_INET, "224.0.0.251", &group.sin_addr);
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &on, sizeof on) != 0)
		fail(interface);
	timeout(fd, 5);
	for (i = 0; i < TRIES; i++) {
		time_t until = time(NULL) + 5;
		if (sendto(fd, td_dnssd_query, sizeof td_dnssd_query, 0, (void *)&group, sizeof group) < 0)
			fail("sendto");
		while (time(NULL) <= until) {
			socklen_t size = sizeof from;
			ssize_t n = recvfrom(fd, packet, sizeof packet, 0, (void *)&from, &size);
			if (n <= 0)
				break;
			if (!td_dnssd_answer(packet, (size_t)n, id, &hub))
				continue;
			if (!(hub.ip[0] | hub.ip[1] | hub.ip[2] | hub.ip[3]))
				memcpy(hub.ip, &from.sin_addr, 4);
			close(fd);
			return hub;
		}
	}
	fprintf(stderr, "no hub found\n");
	exit(1);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	td_hub hub = { .path = "/ws" };
	const char *file = NULL;
	char host[32];
	td_val m, v;
	int op;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 2 && strcmp(argv[1], "--token") == 0) {
		load_token(file = argv[2]);
		argc -= 2;
		argv += 2;
	}
	if (argc >= 4 && strcmp(argv[1], "--find") == 0) {
		hub = find_hub(argv[2], argc > 4 ? argv[3] : NULL);
	} else if (argc == 5 && inet_pton(AF_INET, argv[1], hub.ip) == 1) {
		hub.port = (uint16_t)atoi(argv[2]);
		strncpy(hub.path, argv[3], sizeof hub.path - 1);
	} else {
		fprintf(stderr, "usage: example_linux [--token FILE] HOST PORT PATH DEVICE | --find INTERFACE [ID] DEVICE\n");
		return 2;
	}
	snprintf(host, sizeof host, "%d.%d.%d.%d:%d", hub.ip[0], hub.ip[1], hub.ip[2], hub.ip[3], hub.port);
	printf("hub %s%s id=%s\n", host, hub.path, hub.id);

	memcpy(&to.sin_addr, hub.ip, 4);
	to.sin_port = htons(hub.port);
	sock = socket(AF_INET, SOCK_STREAM, 0);
	timeout(sock, 70); /* the hub pings each 45 s: it is gone when nothing comes for longer */
	if (sock < 0 || connect(sock, (void *)&to, sizeof to) != 0)
		fail(host);
	td_handshake(&out, host, hub.path);
	send_all(tx, out.len);
	if (receive(&m) != TD_ACCEPTED) {
		fprintf(stderr, "no WebSocket there\n");
		return 1;
	}
	send_frame(td_hello(fresh(), argv[argc - 1], token));
	op = receive(&m);
	if (op == TD_ERR)
		refused(m);
	if (op != TD_WELCOME) {
		fprintf(stderr, "no topicd there\n");
		return 1;
	}
	if (td_token(&m, token) && file)
		save_token(file); /* before anything else: it is told this once */
	v = m;
	if (td_get(&v, TD_K_DATA))
		printf("welcome ping=%lld\n", (long long)number(v, td_label("ping")));

	/* A record with an id: its answer says the topic's seq, and the alias. */
	td_begin(fresh(), TD_PUB, &temp);
	td_id(&out, 1);
	td_key(&out, TD_K_DATA);
	td_senml(&out, NULL, "Cel", 21.5f, 0);
	send_frame(td_frame(&out, TD_WS_BINARY));
	m = answer(1);
	temp.alias = (uint32_t)number(m, TD_K_TOPIC);
	printf("ack seq=%lld alias=%u\n", (long long)number(m, TD_K_SEQ), (unsigned)temp.alias);

	send_frame(td_pub_float(fresh(), &temp, 21.75f));
	printf("published %zu bytes\n", out.len);

	send_frame(td_request(fresh(), TD_SUB, &command, 2));
	answer(2);
	printf("subscribed\n");
	while (receive(&m) != TD_MSG)
		;
	v = m;
	if (td_get(&v, TD_K_TOPIC))
		printf("command %.*s seq=%lld ", (int)v.lo, td_chars(&v), (long long)number(m, TD_K_SEQ));
	v = m;
	if (td_get(&v, TD_K_DATA))
		print_value(v);
	printf("\n");

	td_begin(fresh(), TD_PUB, &state);
	td_id(&out, 3);
	td_key(&out, TD_K_SEQ);
	td_uint(&out, 1); /* our own number: sent again after a lost answer it counts once */
	td_key(&out, TD_K_DATA);
	td_text(&out, "obeyed");
	send_frame(td_frame(&out, TD_WS_BINARY));
	answer(3);
	send_frame(td_request(fresh(), TD_UNSUB, &command, 4));
	answer(4);
	td_begin(fresh(), TD_PING, NULL);
	send_frame(td_frame(&out, TD_WS_BINARY));
	while (receive(&m) != TD_PONG)
		;
	send_frame(td_control(fresh(), TD_WS_CLOSE, (const uint8_t *)"\x03\xe8", 2)); /* 1000 */
	while (td_poll(&in, &m) != TD_WS_CLOSE) {
		ssize_t n = recv(sock, in.buf + in.len, in.cap - in.len, 0);
		if (n <= 0)
			break;
		in.len += (size_t)n;
	}
	printf("done big=%u\n", in.big);
	return 0;
}
