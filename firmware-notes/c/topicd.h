/* topicd.h - a client for firmware: topicd's native grammar in CBOR over WebSocket.
 *
 * C99. No malloc, no static data, no libc, no floating-point arithmetic; less than 1 KB of
 * code on a Cortex-M0 (sizes: ../README.md). You bring the socket and two buffers:
 *
 *      td_handshake | td_begin, td_key and values, td_frame   ==>  bytes  ==>  your send()
 *      your recv()  ==>  bytes  ==>  td_poll (or td_next)  ==>  messages
 *
 * Bytes in and bytes out, no callbacks: each stack has its own way to say "would block",
 * and this way lwIP, TLS, an AT modem or a UART bridge fit without glue.
 *
 * A session: td_handshake, then td_poll gives TD_ACCEPTED. Say hello with your device's
 * name; publish; answer TD_WS_PING, the hub's question whether you live, each 45 s. Nothing
 * heard for 70 s, or td_poll < 0: close, wait a random while, connect again, set all aliases
 * to 0. The grammar, its errors and what to do on each: ../protocol.md.
 *
 * Not done, on purpose: Sec-WebSocket-Accept is not checked and the nonce is always the same
 * (RFC 6455 4.1; SHA-1 would double the code). They guard against servers and caches that
 * speak no WebSocket; here the first frame, which must be `welcome`, tells. JSON is brought as
 * it is (td_say, TD_WS_TEXT), fragments and batches are not read: the hub sends none of them to
 * a client that speaks CBOR. To see CBOR as JSON: topicd_json.h. */
#ifndef TOPICD_H
#define TOPICD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Verbs that you send, verbs that you get, and both. */
enum { TD_HELLO = 0, TD_PUB = 2, TD_SUB = 4, TD_UNSUB = 5, TD_GET = 10 };
enum { TD_WELCOME = 1, TD_MSG = 3, TD_OK = 6, TD_ERR = 7, TD_LIVE = 13, TD_BYE = 14 };
enum { TD_PING = 8, TD_PONG = 9 };

/* First bytes of WebSocket frames (RFC 6455 5.2). td_next gives those of control frames. */
enum { TD_WS_TEXT = 0x81, TD_WS_BINARY, TD_WS_CLOSE = 0x88, TD_WS_PING = 0x89, TD_WS_PONG = 0x8a };

enum { TD_ACCEPTED = '1' }; /* HTTP 101 */

/* Keys of the envelope. */
enum {
	TD_K_OP, TD_K_ID, TD_K_TOPIC, TD_K_DATA, TD_K_TS, TD_K_SEQ, TD_K_ACK,
	TD_K_ERR, TD_K_OPTS, TD_K_FROM, TD_K_EP, TD_K_DROP
};

/* ---- Sending -------------------------------------------------------------------------- */

/* Where a frame is built. Set buf and cap once and mask before each frame. buf is of words
 * so that it is aligned. A frame needs 9 bytes more than its content. */
typedef struct {
	uint32_t *buf;
	size_t cap;     /* bytes of buf, at least 16 */
	uint32_t mask;  /* 32 fresh random bits: RFC 6455 5.3, esp_random() */
	size_t len;     /* bytes that are to be sent */
	unsigned pairs; /* of the envelope so far */
} td_out;

/* A topic to publish or subscribe to. The `ok` to a publish with an id may bring an alias:
 * store it, and the name is not sent again on this connection. */
typedef struct {
	const char *name;
	uint32_t alias; /* 0 = none; set it to 0 when you connect again */
} td_topic;

/* The HTTP request, o->len bytes in o->buf; o->len == o->cap: it did not fit.
 * host is "192.168.1.7:22345", path is "/ws" (TXT record `path`). */
void td_handshake(td_out *o, const char *host, const char *path);

/* A request: td_begin, td_key and a value for each further pair, td_frame. t may be NULL. */
void td_begin(td_out *o, unsigned op, const td_topic *t);

/* Ends the frame: o->len bytes at the pointer are to be sent. NULL: it did not fit. */
const uint8_t *td_frame(td_out *o, unsigned first);

/* Values. td_head is the head of any CBOR item (RFC 8949 3). */
void td_put(td_out *o, unsigned byte);
void td_head(td_out *o, unsigned major, uint32_t v);
void td_text(td_out *o, const char *s);
void td_float(td_out *o, float v); /* 3 bytes where exact, else 5. NaN, infinity: err 400 */

static inline void td_key(td_out *o, unsigned key) { o->pairs++; td_put(o, key); }
static inline void td_uint(td_out *o, uint32_t v) { td_head(o, 0x00, v); }
static inline void td_bool(td_out *o, int v) { td_put(o, v ? 0xf5 : 0xf4); }
static inline void td_array(td_out *o, uint32_t n) { td_head(o, 0x80, n); }
static inline void td_map(td_out *o, uint32_t n) { td_head(o, 0xa0, n); }

static inline void td_int(td_out *o, int32_t v)
{
	if (v < 0)
		td_head(o, 0x20, ~(uint32_t)v);
	else
		td_head(o, 0x00, (uint32_t)v);
}

/* Bytes as they are: CBOR made elsewhere, or what a control frame carries. */
static inline void td_raw(td_out *o, const void *p, size_t n)
{
	const uint8_t *b = (const uint8_t *)p;
	while (n--)
		td_put(o, *b++);
}

static inline void td_bytes(td_out *o, const void *p, uint32_t n)
{
	td_head(o, 0x40, n);
	td_raw(o, p, n);
}

static inline void td_id(td_out *o, uint32_t id) { td_key(o, TD_K_ID); td_uint(o, id); }

/* hello {dev, token}: token is NULL or "" when there is none. */
static inline const uint8_t *td_hello(td_out *o, const char *dev, const char *token)
{
	td_begin(o, TD_HELLO, NULL);
	td_key(o, TD_K_OPTS);
	td_map(o, token && *token ? 2 : 1);
	td_text(o, "dev");
	td_text(o, dev);
	if (token && *token) {
		td_text(o, "token");
		td_text(o, token);
	}
	return td_frame(o, TD_WS_BINARY);
}

/* pub of a number: 9 bytes with an alias and one of 3 bytes. */
static inline const uint8_t *td_pub_float(td_out *o, const td_topic *t, float v)
{
	td_begin(o, TD_PUB, t);
	td_key(o, TD_K_DATA);
	td_float(o, v);
	return td_frame(o, TD_WS_BINARY);
}

/* A SenML record as data (RFC 8428 6): n and u may be NULL, t is 0 or seconds since 1970. */
static inline void td_senml(td_out *o, const char *n, const char *u, float v, uint32_t t)
{
	td_map(o, 1u + (n != NULL) + (u != NULL) + (t != 0));
	if (n) {
		td_uint(o, 0);
		td_text(o, n);
	}
	if (u) {
		td_uint(o, 1);
		td_text(o, u);
	}
	td_uint(o, 2);
	td_float(o, v);
	if (t) {
		td_uint(o, 6);
		td_uint(o, t);
	}
}

/* sub or unsub, with an id when you want to know. */
static inline const uint8_t *td_request(td_out *o, unsigned op, const td_topic *t, uint32_t id)
{
	td_begin(o, op, t);
	if (id)
		td_id(o, id);
	return td_frame(o, TD_WS_BINARY);
}

/* A control frame: TD_WS_PONG or TD_WS_CLOSE with what the other one brought. */
static inline const uint8_t *td_control(td_out *o, unsigned first, const uint8_t *p, size_t n)
{
	o->len = 8;
	o->pairs = 0;
	td_raw(o, p, n);
	return td_frame(o, first);
}

/* A message in JSON, for debugging: the hub answers in what came first. */
static inline const uint8_t *td_say(td_out *o, const char *json)
{
	size_t n = 0;
	while (json[n])
		n++;
	return td_control(o, TD_WS_TEXT, (const uint8_t *)json, n);
}

/* ---- Receiving ------------------------------------------------------------------------ */

/* What a value is: CBOR's major types, and of type 7 the byte itself. */
enum {
	TD_UINT, TD_NEGINT, TD_BYTES, TD_TEXT, TD_ARRAY, TD_MAP, TD_TAG,
	TD_FALSE = 0xf4, TD_TRUE, TD_NULL, TD_HALF = 0xf9, TD_SINGLE, TD_DOUBLE
};

/* A value whose head has been read, inside of the receive buffer: good until bytes are
 * taken from there. Copy it freely. */
typedef struct {
	const uint8_t *at;  /* where it begins */
	const uint8_t *end; /* of the frame */
	const uint8_t *p;   /* behind the head of an array, map or tag; behind all of any other */
	uint32_t lo;        /* number (its lower 32 bits), length of a text, members of an array or
	                       map; of the latter 0xffffffff: until TD_BREAK */
	unsigned type;
} td_val;

/* Looks at len received bytes. Gives
 *   0      more must be received; in a full buffer: the frame is too large for it
 *   -1     the peer breaks the protocol: close
 *   TD_x   the message's verb: m is its map, ask td_get for its members
 *   TD_WS_x  a control frame, or TD_WS_TEXT: its content lies from m->at to m->end
 * and to the answer of td_handshake TD_ACCEPTED, or else the first digit of the HTTP status,
 * '3', '4' or '5'.
 * Whenever it is not 0 or -1 the bytes up to m->end are done with. */
int td_next(const uint8_t *b, size_t len, td_val *m);

/* Finds a member of a map and reads its head: 1, or 0 and *v is lost. Members of the envelope
 * are TD_K_x, those with names td_label("code"), those of SenML their labels. */
int td_get(td_val *v, uint32_t key);

/* Reads the head of the value at v->p: 1, or 0 when there is none that is whole. */
int td_read(td_val *v);

/* Moves v->p behind the value there, whatever is in it; depth is TD_DEPTH: 1 or 0. */
int td_skip(td_val *v, unsigned depth);
#define TD_DEPTH 20 /* more than the hub lets through */

/* The number in a TD_HALF, TD_SINGLE or TD_DOUBLE; a double is rounded. */
float td_real(const td_val *v);

/* A name as td_get wants it: its last four letters. */
static inline uint32_t td_label(const char *name)
{
	uint32_t k = 0;
	while (*name)
		k = k << 8 | (uint8_t)*name++;
	return k;
}

/* The characters of a TD_TEXT or TD_BYTES, v->lo of them and no 0 behind. */
static inline const char *td_chars(const td_val *v) { return (const char *)v->p - v->lo; }

#define TD_TOKEN 48 /* bytes of a token with the 0 behind it */

/* A welcome may bring a device a token of its own (../protocol.md, Joining): 1, and it is in
 * token, TD_TOKEN bytes. Put it where it outlives a reboot before you do anything else, and say
 * it in each hello from then on: the hub tells it this once. It wants a receive buffer of 256. */
static inline int td_token(const td_val *welcome, char *token)
{
	td_val v = *welcome;
	uint32_t i;
	if (!td_get(&v, TD_K_DATA) || !td_get(&v, td_label("token")) || v.type != TD_TEXT || v.lo >= TD_TOKEN)
		return 0;
	for (i = 0; i < v.lo; i++)
		token[i] = td_chars(&v)[i];
	token[i] = 0;
	return 1;
}

/* An integer of any width: `seq` and `ts` have up to 53 bits. */
static inline int64_t td_int64(const td_val *v)
{
	const uint8_t *q = v->at;
	uint64_t n = *q & 31;
	if (n > 23)
		n = 0;
	while (++q < v->p)
		n = n << 8 | *q;
	return v->type == TD_NEGINT ? (int64_t)~n : (int64_t)n;
}

/* A receive buffer and its keeping, for those who have no better idea. Set buf and cap, the
 * rest 0. recv() to buf + len, at most cap - len bytes, then len += n, then td_poll until
 * it gives 0. A frame larger than buf is let pass unread, and *big counts it. */
typedef struct {
	uint8_t *buf;
	size_t cap, len;
	size_t done; /* bytes that are no longer needed, maybe more than have come */
	unsigned big;
} td_in;

static inline int td_poll(td_in *in, td_val *m)
{
	uint8_t *b = in->buf;
	for (;;) {
		size_t n = in->done < in->len ? in->done : in->len, i;
		uint32_t size = 0;
		int op;
		in->done -= n;
		in->len -= n;
		for (i = 0; n != 0 && i < in->len; i++)
			b[i] = b[i + n];
		op = td_next(b, in->len, m);
		if (op > 0)
			in->done = (size_t)(m->end - b);
		if (op != 0 || in->len < in->cap)
			return op;
		if (in->cap < 16 || b[0] == 'H')
			return -1;
		/* RFC 6455 5.2 once more, only for the size. */
		n = b[1] < 126 ? 2 : b[1] == 126 ? 4 : 10;
		for (i = n == 2 ? 1 : 2; i < n; i++)
			size = size << 8 | b[i];
		in->done = n + size;
		in->big++;
	}
}

#ifdef __cplusplus
}
#endif
#endif
