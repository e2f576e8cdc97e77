/* topicd.c - see topicd.h. Every construction here was chosen by its size on a Cortex-M0. */
#include "topicd.h"

/* ---- Sending -------------------------------------------------------------------------- */

/* Content begins at byte 8, so i & 3 is also its place in the key (RFC 6455 5.3). A full
 * buffer stays full, and td_frame sees it. */
void td_put(td_out *o, unsigned byte)
{
	size_t i = o->len;
	if (i < o->cap) {
		((uint8_t *)o->buf)[i] = (uint8_t)(byte ^ ((uint8_t *)&o->mask)[i & 3]);
		o->len = i + 1;
	}
}

void td_head(td_out *o, unsigned major, uint32_t v)
{
	unsigned bits = 0;
	if (v < 24) {
		major += v;
	} else {
		bits = v > 0xffff ? 32 : v > 0xff ? 16 : 8;
		major += 24 + (bits >> 4);
	}
	for (;;) {
		td_put(o, major);
		if (!bits)
			break;
		bits -= 8;
		major = v >> bits;
	}
}

void td_text(td_out *o, const char *s)
{
	const char *e = s;
	while (*e)
		e++;
	td_head(o, 0x60, (uint32_t)(e - s));
	while (s != e)
		td_put(o, (uint8_t)*s++);
}

typedef union {
	float f;
	uint32_t u;
} bits32;

void td_float(td_out *o, float v)
{
	bits32 x;
	uint32_t u, e, major = 0xe0;
	x.f = v;
	u = x.u;
	e = u << 1 >> 24;
	if (e == 0) /* zero, and what is nearer to it than 1e-37 */
		u = major = 0;
	/* Half precision where nothing is lost: 10 bits are enough, and 5 for the exponent, whose
	 * bias is 15 instead of 127. */
	if (u << 19 == 0 && e - 113 < 30)
		u = (u >> 31 << 15) + (u << 1 >> 14) - (112u << 10);
	/* With 2 and 4 bytes a head of type 7 is 0xf9 and 0xfa; u > 0xff, so never with 1. */
	td_head(o, major, u);
}

void td_handshake(td_out *o, const char *host, const char *path)
{
	/* RFC 6455 4.1. \1 is the host, \2 the path. */
	const char *s = "GET \2 HTTP/1.1\r\nHost: \1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dG9waWNkIG9uIGEgc2Vucw==\r\n\r\n";
	const char *back = NULL;
	o->mask = 0;
	o->len = 0;
	for (;;) {
		unsigned c = (uint8_t)*s++;
		if (c > 2) {
			td_put(o, c);
		} else if (c) {
			back = s;
			s = c == 1 ? host : path;
		} else if (back) {
			s = back;
			back = NULL;
		} else {
			break;
		}
	}
}

void td_begin(td_out *o, unsigned op, const td_topic *t)
{
	o->len = 8; /* room for the largest frame head below 64 KiB */
	o->pairs = 1;
	td_put(o, 0xa0);
	td_put(o, TD_K_OP);
	td_put(o, op);
	if (t) {
		td_key(o, TD_K_TOPIC);
		if (t->alias)
			td_uint(o, t->alias);
		else
			td_text(o, t->name);
	}
}

const uint8_t *td_frame(td_out *o, unsigned first)
{
	uint32_t *w = o->buf;
	uint8_t *d = (uint8_t *)w;
	size_t n = o->len;
	if (n == o->cap)
		return NULL;
	w[1] = o->mask;
	d[8] ^= (uint8_t)o->pairs; /* the map's head says 0 until now */
	n -= 8;
	if (n < 126) {
		d += 2;
		o->len -= 2;
		d[1] = (uint8_t)(n | 0x80);
	} else { /* RFC 6455 5.2 */
		d[1] = 0xfe;
		d[2] = (uint8_t)(n >> 8);
		d[3] = (uint8_t)n;
	}
	d[0] = (uint8_t)first;
	return d;
}

/* ---- Receiving ------------------------------------------------------------------------ */

/* Reads n bytes, big end first; the lower 32 bits of it. Inlined it costs 6 bytes more. */
#ifdef __GNUC__
__attribute__((noinline))
#endif
static uint32_t big(const uint8_t *p, size_t n)
{
	uint32_t v = 0;
	do
		v = v << 8 | *p++;
	while (--n);
	return v;
}

int td_read(td_val *v)
{
	const uint8_t *p = v->p;
	uint32_t lo;
	size_t n;
	v->at = p;
	if (p == v->end)
		return 0;
	lo = *p++;
	v->type = lo < 0xe0 ? lo >> 5 : lo;
	lo &= 31;
	if (lo >= 24) { /* RFC 8949 3 */
		n = (size_t)1 << (lo - 24);
		if (n == 128) { /* 31: until a break; strings of that kind the hub refuses */
			if (v->type >> 1 != TD_ARRAY >> 1)
				return 0;
			lo = 0xffffffff;
		} else {
			if (n > 8 || n > (size_t)(v->end - p))
				return 0;
			lo = big(p, n);
			p += n;
		}
	}
	v->lo = lo;
	if (v->type >> 1 == TD_TEXT >> 1) {
		if (lo > (size_t)(v->end - p))
			return 0;
		p += lo;
	}
	v->p = p;
	return 1;
}

int td_skip(td_val *v, unsigned depth)
{
	uint32_t n;
	if (!depth--)
		return 0;
	do
		if (!td_read(v))
			return 0;
	while (v->type == TD_TAG);
	n = v->lo;
	if (v->type == TD_MAP)
		n *= 2;
	else if (v->type != TD_ARRAY)
		return 1;
	for (; n; n--) {
		/* Nobody has 2^31 members in a buffer: so many are "until a break". */
		if ((int32_t)n < 0 && v->p != v->end && *v->p == 0xff) {
			v->p++;
			break;
		}
		if (!td_skip(v, depth))
			return 0;
	}
	return 1;
}

int td_get(td_val *v, uint32_t key)
{
	uint32_t n, k;
	const uint8_t *c;
	v->p = v->at;
	if (!td_read(v) || v->type != TD_MAP)
		return 0;
	for (n = v->lo; n; n--) {
		if (!td_read(v) || v->type > TD_TEXT) /* a break too */
			break;
		k = v->lo;
		if (v->type == TD_NEGINT)
			k = ~k;
		if (v->type > TD_NEGINT)
			for (c = v->p - k, k = 0; c != v->p;)
				k = k << 8 | *c++;
		if (k == key)
			return td_read(v);
		if (!td_skip(v, TD_DEPTH))
			break;
	}
	return 0;
}

/* In integers, so that a part without floating point needs no library for it. */
float td_real(const td_val *v)
{
	bits32 x;
	uint32_t lo = v->lo, sign, t;
	if (v->type == TD_HALF) {
		sign = lo << 16;
		t = sign << 1 >> 4;
		if (t) {
			lo = 112u << 23;
			while (t < 1u << 23) { /* subnormal */
				t <<= 1;
				lo -= 1u << 23;
			}
			t += lo;
		}
		lo = t | sign >> 31 << 31;
	} else if (v->type == TD_DOUBLE) {
		sign = big(v->at + 1, 4);
		t = (sign << 1 >> 1) - (896u << 20); /* biases are 1023 and 127 */
		if ((int32_t)t < 1 << 20)
			t = lo = 0;
		if (t >= 255u << 20) {
			t = 255u << 20;
			lo = 0;
		}
		lo = ((t << 4 | lo >> 28) + 1) >> 1 | sign >> 31 << 31;
	}
	x.u = lo;
	return x.f;
}

int td_next(const uint8_t *b, size_t len, td_val *m)
{
	size_t n, head = 2;
	unsigned first;
	if (len < 2)
		return 0;
	first = b[0];
	if (first == 'H') { /* HTTP/1.1 101: no frame begins so. Nothing follows it before hello. */
		m->end = b + len;
		if (len < 14 || b[len - 1] != '\n' || b[len - 3] != '\n')
			return 0;
		return b[9];
	}
	n = b[1];
	if (first >> 4 != 8 || n > 127) /* a whole frame, no extension, not masked: RFC 6455 5.1, 5.2 */
		return -1;
	if (n > 125) {
		head = n == 126 ? 4 : 10;
		if (len < head)
			return 0;
		n = big(b + 2, head - 2);
	}
	b += head;
	if (n > len - head)
		return 0;
	m->at = b;
	m->end = b + n;
	if (first == TD_WS_BINARY) {
		if (!td_get(m, TD_K_OP))
			return -1;
		m->at = b;
		first = m->lo;
	}
	return (int)first;
}
