/* device_m0.c - a whole device without an operating system, to see what the client adds to a
 * program: hello, a publish with an ack and then by alias, pings answered, a command taken.
 * The board is behind five functions. Compiled and linked by the tests, run by none. */
#include "topicd.h"

uint32_t board_random(void);
size_t board_recv(uint8_t *p, size_t n); /* waits a second at most */
void board_send(const void *p, size_t n);
float board_temperature(void);
void board_set(float speed);

static uint32_t tx[32];
static uint8_t rx[128];

void device(void);
void device(void)
{
	td_out out = { tx, sizeof tx, 0, 0, 0 };
	td_in in = { rx, sizeof rx, 0, 0, 0 };
	td_topic temp = { "greenhouse/1/temp", 0 }, fan = { "greenhouse/1/fan", 0 };
	int online = 0;
	td_handshake(&out, "192.168.1.7:22345", "/ws");
	board_send(tx, out.len);
	for (;;) {
		const uint8_t *f = NULL;
		td_val m, v;
		int op = td_poll(&in, &m);
		v = m;
		out.mask = board_random();
		switch (op) {
		case -1:
		case TD_WS_CLOSE:
			return;
		case TD_ACCEPTED:
			f = td_hello(&out, "m0-1", NULL);
			break;
		case TD_WELCOME:
			online = 1;
			f = td_request(&out, TD_SUB, &fan, 0);
			break;
		case TD_WS_PING:
			f = td_control(&out, TD_WS_PONG, m.at, (size_t)(m.end - m.at));
			break;
		case TD_OK:
			if (td_get(&v, TD_K_TOPIC))
				temp.alias = v.lo;
			break;
		case TD_MSG:
			if (td_get(&v, TD_K_DATA))
				board_set(td_real(&v));
			break;
		case 0:
			in.len += board_recv(rx + in.len, sizeof rx - in.len);
			if (!online)
				break;
			if (temp.alias) {
				f = td_pub_float(&out, &temp, board_temperature());
				break;
			}
			td_begin(&out, TD_PUB, &temp);
			td_id(&out, 1);
			td_key(&out, TD_K_DATA);
			td_float(&out, board_temperature());
			f = td_frame(&out, TD_WS_BINARY);
		}
		if (f)
			board_send(f, out.len);
	}
}
