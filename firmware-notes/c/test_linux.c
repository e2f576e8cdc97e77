/* test_linux.c - lets ../firmware_test.go drive topicd.c and topicd_dnssd.c: a command a line
 * on standard input, an answer a line. Every buffer is of exactly the size of what is in it,
 * so that the address sanitizer sees the first byte too far.
 *
 *   B            builds the frames named like their golden vectors: "name<TAB>frame in hex"
 *   F bits       td_float of a float given by its bits: the CBOR
 *   R cbor       td_real: the bits
 *   M cbor       a message, fed to td_poll byte by byte: what is in it. Kept for Z
 *   J cbor       td_json of it
 *   S cbor       td_skip: bytes that it went over
 *   D packet id  td_dnssd_answer; id "-" takes any. Kept for Z
 *   X bytes      raw received bytes to td_poll, cap 256: the results
 *   Z n seed     n mutations of what was kept, through everything
 */
#include "topicd.h"
#include "topicd_dnssd.h"
#include "topicd_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t tx[64];
static td_out out = { .buf = tx, .cap = sizeof tx };
static char line[1 << 18];

static struct {
	uint8_t *p;
	size_t n;
	int dns;
} kept[512];
static size_t keeps;

static void keep(const uint8_t *p, size_t n, int dns)
{
	if (keeps == sizeof kept / sizeof *kept)
		return;
	kept[keeps].p = malloc(n ? n : 1);
	memcpy(kept[keeps].p, p, n);
	kept[keeps].n = n;
	kept[keeps++].dns = dns;
}

static void hex(const uint8_t *p, size_t n)
{
	while (n--)
		printf("%02x", *p++);
}

static uint8_t *unhex(const char *s, size_t *n)
{
	size_t i, len = strspn(s, "0123456789abcdef") / 2;
	uint8_t *p = malloc(len ? len : 1);
	unsigned b;
	for (i = 0; i < len; i++) {
		sscanf(s + 2 * i, "%2x", &b);
		p[i] = (uint8_t)b;
	}
	*n = len;
	return p;
}

static void show(const char *name, const uint8_t *frame)
{
	printf("%s\t", name);
	if (frame)
		hex(frame, out.len);
	printf("\n");
}

static void build(void)
{
	td_topic temp = { "greenhouse/1/temp", 0 }, seven = { "greenhouse/1/temp", 7 };
	td_topic tank = { "tank/level", 0 }, door = { "door", 0 }, cold = { "freezer/temp", 0 };
	td_topic all = { "greenhouse/+/temp", 0 }, left = { "greenhouse/#", 0 }, many = { "x", 300 };
	td_topic a = { "a", 0 }, cam = { "cam/thumb", 0 };
	static const uint8_t thumb[] = { 0xff, 0xef, 0, 1 };
	out.mask = 0x9a7b5c3d;
	show("hello", td_hello(&out, "esp32-a1b2c3", NULL));
	td_begin(&out, TD_PUB, &temp);
	td_key(&out, TD_K_DATA);
	td_map(&out, 3);
	td_uint(&out, 2);
	td_float(&out, 21.5f);
	td_uint(&out, 1);
	td_text(&out, "Cel");
	td_uint(&out, 6);
	td_uint(&out, 1700000000);
	show("pub, the record of the size table", td_frame(&out, TD_WS_BINARY));
	show("pub with an alias and a bare number", td_pub_float(&out, &seven, 21.5f));
	td_begin(&out, TD_PUB, &tank);
	td_key(&out, TD_K_DATA);
	td_int(&out, 42);
	show("pub, bare integer", td_frame(&out, TD_WS_BINARY));
	show("pub, negative", td_pub_float(&out, &cold, -18.25f));
	td_begin(&out, TD_PUB, &temp);
	td_id(&out, 1);
	td_key(&out, TD_K_DATA);
	td_senml(&out, NULL, NULL, 21.5f, 0);
	show("pub with id", td_frame(&out, TD_WS_BINARY));
	td_begin(&out, TD_PUB, &door);
	td_key(&out, TD_K_DATA);
	td_text(&out, "open");
	td_key(&out, TD_K_SEQ);
	td_uint(&out, 17);
	show("pub with the device's own number", td_frame(&out, TD_WS_BINARY));
	td_begin(&out, TD_PUB, &cam);
	td_key(&out, TD_K_DATA);
	td_bytes(&out, thumb, sizeof thumb);
	show("pub bytes", td_frame(&out, TD_WS_BINARY));
	show("sub", td_request(&out, TD_SUB, &temp, 0));
	show("sub pattern", td_request(&out, TD_SUB, &all, 2));
	td_begin(&out, TD_SUB, &a);
	td_id(&out, 5);
	td_key(&out, TD_K_OPTS);
	td_map(&out, 1);
	td_text(&out, "since");
	td_int(&out, -60);
	show("sub the last minute", td_frame(&out, TD_WS_BINARY));
	show("unsub", td_request(&out, TD_UNSUB, &left, 8));
	show("unsub alias", td_request(&out, TD_UNSUB, &many, 0));
	show("ping alone", (td_begin(&out, TD_PING, NULL), td_frame(&out, TD_WS_BINARY)));
	td_begin(&out, TD_PING, NULL);
	td_key(&out, TD_K_DATA);
	td_text(&out, "abc");
	show("ping", td_frame(&out, TD_WS_BINARY));
	printf(".\n");
}

static void member(td_val m, uint32_t key, const char *name)
{
	if (!td_get(&m, key))
		return;
	if (m.type == TD_UINT)
		printf(" %s=%lld", name, (long long)td_int64(&m));
	else if (m.type == TD_TEXT)
		printf(" %s=%.*s", name, (int)m.lo, td_chars(&m));
}

static void message(int op, td_val m)
{
	td_val e = m, d = m, whole = m;
	printf("op=%d", op);
	member(m, TD_K_ID, "id");
	member(m, TD_K_TS, "ts");
	member(m, TD_K_SEQ, "seq");
	member(m, TD_K_EP, "ep");
	member(m, TD_K_DROP, "drop");
	if (td_get(&e, TD_K_ERR)) {
		member(e, td_label("code"), "code");
		member(e, td_label("retry"), "retry");
	}
	if (td_get(&d, TD_K_DATA)) {
		const uint8_t *begin = d.at;
		d.p = d.at;
		if (td_skip(&d, TD_DEPTH)) {
			printf(" data=");
			hex(begin, (size_t)(d.p - begin));
		}
	}
	member(m, TD_K_FROM, "from");
	member(m, TD_K_TOPIC, "topic");
	whole.p = whole.at;
	printf(" whole=%d\n", td_skip(&whole, TD_DEPTH) && whole.p == whole.end);
}

static void parse(const uint8_t *p, size_t n)
{
	size_t head = n < 126 ? 2 : 4, i;
	uint8_t *b = malloc(n + head);
	td_in in = { .buf = b, .cap = n + head };
	td_val m;
	int op = 0;
	keep(p, n, 0);
	for (i = 0; i < n + head; i++) {
		uint8_t c = i >= head ? p[i - head] : i == 0 ? 0x82 : head == 2 ? (uint8_t)n
			: i == 1 ? 126 : i == 2 ? (uint8_t)(n >> 8) : (uint8_t)n;
		b[in.len++] = c;
		if (i + 1 < n + head && td_poll(&in, &m) != 0)
			printf("too early ");
	}
	op = td_poll(&in, &m);
	if (op > 0)
		message(op, m);
	else
		printf("op=%d\n", op);
	free(b);
}

static void raw(const uint8_t *p, size_t n)
{
	uint8_t *b = malloc(256);
	td_in in = { .buf = b, .cap = 256 };
	td_val m;
	int op;
	while (n) {
		size_t k = in.cap - in.len < n ? in.cap - in.len : n;
		memcpy(b + in.len, p, k);
		in.len += k;
		p += k;
		n -= k;
		while ((op = td_poll(&in, &m)) > 0)
			printf("%d ", op);
		if (op < 0) {
			printf("%d ", op);
			break;
		}
	}
	printf("big=%u\n", in.big);
	free(b);
}

static void discover(const uint8_t *p, size_t n, const char *id)
{
	td_hub h;
	keep(p, n, 1);
	if (!td_dnssd_answer(p, n, strcmp(id, "-") ? id : NULL, &h))
		printf("none\n");
	else
		printf("%d.%d.%d.%d:%d%s id=%s tls=%d %s\n", h.ip[0], h.ip[1], h.ip[2], h.ip[3], h.port, h.path, h.id, h.tls, h.name);
}

static uint32_t seed = 1;
static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	return seed ^= seed << 5;
}

/* Reads everything that a careless program might. */
static unsigned devour(const uint8_t *p, size_t n)
{
	static const uint32_t keys[] = { 0, 1, 2, 3, 4, 5, 7, 8, 10, 0x636f6465 };
	unsigned sum = 0;
	size_t i;
	td_val m;
	int op = td_next(p, n, &m);
	if (op <= 0)
		return 0;
	if (m.end < p || m.end > p + n)
		abort();
	if (*p == 'H')
		return 1;
	if (op < TD_WS_TEXT) {
		char json[99];
		sum += (unsigned)td_json(&m, json, 1 + sum % sizeof json);
	}
	for (i = 0; i < sizeof keys / sizeof *keys; i++) {
		td_val v = m;
		unsigned k;
		if (!td_get(&v, keys[i]))
			continue;
		if (v.at < p || v.p > v.end || v.at >= v.p)
			abort();
		sum += (unsigned)td_int64(&v);
		if (v.type >= TD_HALF) {
			float f = td_real(&v);
			unsigned u;
			memcpy(&u, &f, 4);
			sum += u;
		}
		if (v.type == TD_TEXT || v.type == TD_BYTES)
			for (k = 0; k < v.lo; k++)
				sum += (uint8_t)td_chars(&v)[k];
		while (v.type == TD_ARRAY && td_read(&v))
			sum++;
		td_get(&v, td_label("v"));
	}
	return sum;
}

static void fuzz(unsigned long count)
{
	unsigned long i;
	unsigned sum = 0;
	for (i = 0; i < count; i++) {
		size_t which = rnd() % keeps, n = kept[which].n, room = n + 4, flips = 1 + rnd() % 4;
		uint8_t *b = malloc(room + 4), *exact;
		memset(b, (int)rnd(), room + 4);
		if (kept[which].dns) {
			memcpy(b, kept[which].p, n);
		} else {
			b[0] = 0x82;
			b[1] = n < 126 ? (uint8_t)n : 126;
			b[2] = (uint8_t)(n >> 8);
			b[3] = (uint8_t)n;
			memcpy(b + (n < 126 ? 2 : 4), kept[which].p, n);
			n += n < 126 ? 2 : 4;
		}
		while (n && flips--) {
			size_t at = rnd() % n;
			switch (rnd() % 4) {
			case 0: b[at] ^= (uint8_t)(1u << (rnd() & 7)); break;
			case 1: b[at] = (uint8_t)rnd(); break;
			case 2: b[at] = (uint8_t[]){ 0xff, 0x9f, 0xbf, 0x5b, 0x7f, 0xc0, 0x1b, 0xfb }[rnd() & 7]; break;
			default: n = rnd() % 3 ? n : at; /* truncated */
			}
		}
		exact = malloc(n ? n : 1);
		memcpy(exact, b, n);
		if (kept[which].dns) {
			td_hub h;
			sum += (unsigned)td_dnssd_answer(exact, n, rnd() & 1 ? NULL : "a1b2c3d4", &h);
		} else {
			sum += devour(exact, n);
			if (n > 1 && (exact[1] & 0x7f) < 126 && rnd() & 1) { /* and with a length that fits */
				exact[0] = 0x82;
				exact[1] = (uint8_t)(n - 2 < 126 ? n - 2 : 125);
				sum += devour(exact, n);
			}
		}
		free(exact);
		free(b);
	}
	printf("ok %u\n", sum);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof line, stdin)) {
		char *arg = line + 2, id[32] = "-";
		size_t n;
		unsigned long count;
		union { uint32_t u; float f; } x;
		uint8_t *p;
		td_val v;
		line[strcspn(line, "\n")] = 0;
		switch (line[0]) {
		case 'B':
			build();
			break;
		case 'F':
			x.u = (uint32_t)strtoul(arg, NULL, 16);
			out.mask = 0;
			out.len = 8;
			td_float(&out, x.f);
			hex((uint8_t *)tx + 8, out.len - 8);
			printf("\n");
			break;
		case 'Z':
			sscanf(arg, "%lu %u", &count, &seed);
			fuzz(count);
			break;
		default:
			p = unhex(arg, &n);
			memset(&v, 0, sizeof v);
			v.at = v.p = p;
			v.end = p + n;
			if (line[0] == 'J') {
				static char json[1 << 18];
				td_json(&v, json, sizeof json);
				puts(json);
			} else if (line[0] == 'M') {
				parse(p, n);
			} else if (line[0] == 'X') {
				raw(p, n);
			} else if (line[0] == 'D') {
				sscanf(arg + 2 * n, " %31s", id);
				discover(p, n, id);
			} else if (line[0] == 'S') {
				printf("%d\n", td_skip(&v, TD_DEPTH) ? (int)(v.p - p) : -1);
			} else if (td_read(&v)) {
				x.f = td_real(&v);
				printf("%08x\n", (unsigned)x.u);
			} else {
				printf("none\n");
			}
			free(p);
		}
	}
	return 0;
}
