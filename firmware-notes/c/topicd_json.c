/* topicd_json.c - see topicd_json.h. */
#include "topicd_json.h"

#include <stdio.h>

typedef struct {
	char *to;
	size_t cap, len;
} text;

static void ch(text *t, int c)
{
	if (t->len + 1 < t->cap) {
		t->to[t->len] = (char)c;
		t->to[t->len + 1] = 0;
	}
	t->len++;
}

static void str(text *t, const char *s)
{
	while (*s)
		ch(t, *s++);
}

/* A text with what JSON wants escaped (RFC 8259 7); the hub has seen to it that it is UTF-8. */
static void quoted(text *t, const char *s, size_t n)
{
	char hex[8];
	ch(t, '"');
	for (; n; n--, s++) {
		if (*s == '"' || *s == '\\')
			ch(t, '\\');
		if ((unsigned char)*s < 32) {
			snprintf(hex, sizeof hex, "\\u%04x", (unsigned)*s & 0xff);
			str(t, hex);
		} else {
			ch(t, *s);
		}
	}
	ch(t, '"');
}

static void number(text *t, const td_val *v)
{
	char b[32];
	float f;
	if (v->type <= TD_NEGINT) {
		int64_t n = td_int64(v);
		snprintf(b, sizeof b, "%lld", (long long)n);
	} else {
		f = td_real(v);
		snprintf(b, sizeof b, f - f == 0 ? "%.9g" : "null", (double)f); /* JSON has no infinity */
	}
	str(t, b);
}

static void bytes(text *t, const td_val *v)
{
	static const char digit[] = "0123456789abcdef";
	uint32_t i;
	ch(t, '"');
	for (i = 0; i < v->lo; i++) {
		unsigned b = (uint8_t)td_chars(v)[i];
		ch(t, digit[b >> 4]);
		ch(t, digit[b & 15]);
	}
	ch(t, '"');
}

/* The name of a key: of the envelope at the top, of SenML (RFC 8428 6) below. */
static void key(text *t, const td_val *v, unsigned depth)
{
	static const char *const envelope[] = { "op", "id", "topic", "data", "ts", "seq", "ack", "err", "opts", "from", "ep", "drop" };
	static const char *const senml[] = { "bs", "bv", "bu", "bt", "bn", "bver", "n", "u", "v", "vs", "vb", "s", "t", "ut", "vd" };
	const char *name = NULL;
	if (v->type == TD_TEXT) {
		quoted(t, td_chars(v), v->lo);
		return;
	}
	if (v->type <= TD_NEGINT) {
		int64_t n = td_int64(v);
		if (depth == TD_DEPTH && n >= 0 && n < 12)
			name = envelope[n];
		else if (depth != TD_DEPTH && n >= -6 && n < 9)
			name = senml[n + 6];
	}
	ch(t, '"');
	if (name)
		str(t, name);
	else
		number(t, v);
	ch(t, '"');
}

static void verb(text *t, uint32_t op)
{
	static const char *const verbs[] = { "hello", "welcome", "pub", "msg", "sub", "unsub", "ok", "err", "ping", "pong", "get", "list", "12", "live", "bye", "make", "delete" };
	ch(t, '"');
	str(t, op < 17 ? verbs[op] : "?");
	ch(t, '"');
}

static int value(text *t, td_val *v, unsigned depth);

/* The members of an array or a map whose head has been read; v->p is behind them then. */
static int members(text *t, td_val *v, unsigned depth)
{
	int map = v->type == TD_MAP;
	uint32_t n = v->lo, i;
	td_val k;
	ch(t, map ? '{' : '[');
	for (i = 0; i != n; i++) {
		if ((int32_t)n < 0 && v->p != v->end && *v->p == 0xff) { /* until a break */
			v->p++;
			break;
		}
		if (i)
			ch(t, ',');
		if (map) {
			if (!td_read(v))
				return 0;
			k = *v;
			key(t, &k, depth);
			ch(t, ':');
			if (depth == TD_DEPTH && k.type == TD_UINT && k.lo == TD_K_OP) {
				if (!td_read(v))
					return 0;
				verb(t, v->lo);
				continue;
			}
		}
		if (!value(t, v, depth - 1))
			return 0;
	}
	ch(t, map ? '}' : ']');
	return 1;
}

static int value(text *t, td_val *v, unsigned depth)
{
	if (!depth)
		return 0;
	do
		if (!td_read(v))
			return 0;
	while (v->type == TD_TAG);
	switch (v->type) {
	case TD_BYTES: bytes(t, v); return 1;
	case TD_TEXT: quoted(t, td_chars(v), v->lo); return 1;
	case TD_ARRAY:
	case TD_MAP: return members(t, v, depth);
	case TD_FALSE: str(t, "false"); return 1;
	case TD_TRUE: str(t, "true"); return 1;
	case TD_UINT:
	case TD_NEGINT:
	case TD_HALF:
	case TD_SINGLE:
	case TD_DOUBLE: number(t, v); return 1;
	default: str(t, "null"); return 1;
	}
}

size_t td_json(const td_val *at, char *to, size_t cap)
{
	text t;
	td_val v = *at;
	t.to = to;
	t.cap = cap;
	t.len = 0;
	if (cap)
		*to = 0;
	v.p = v.at;
	if (!value(&t, &v, TD_DEPTH))
		str(&t, " (broken)");
	return t.len;
}

size_t td_json_sent(td_out *o, const uint8_t *frame, char *to, size_t cap)
{
	uint8_t *b = (uint8_t *)o->buf, *key = b + 4;
	size_t end, i, n;
	td_val v;
	if (!frame || *frame != TD_WS_BINARY)
		return 0;
	end = (size_t)(frame - b) + o->len;
	for (i = 8; i < end; i++)
		b[i] ^= key[i & 3];
	v.at = b + 8;
	v.end = b + end;
	n = td_json(&v, to, cap);
	for (i = 8; i < end; i++) /* as it was */
		b[i] ^= key[i & 3];
	return n;
}
