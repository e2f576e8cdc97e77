/* topicd_dnssd.c - see topicd_dnssd.h. What comes in is anybody's: every offset is checked
 * against the packet, every walk over a name ends. */
#include "topicd_dnssd.h"

/* RFC 1035 4.1: header with one question; 0x8001 is class IN with the QU bit. */
const uint8_t td_dnssd_query[36] = {
	0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0,
	7, '_', 't', 'o', 'p', 'i', 'c', 'd', 4, '_', 't', 'c', 'p', 5, 'l', 'o', 'c', 'a', 'l', 0,
	0, 12, 0x80, 1
};

enum { A = 1, PTR = 12, TXT = 16, SRV = 33 };

typedef struct {
	const uint8_t *p;
	size_t len;
} packet;

/* One resource record: where its name, its data and the next one begin. */
typedef struct {
	size_t name, data, next;
	unsigned type;
} record;

static unsigned two(const uint8_t *p) { return (unsigned)p[0] << 8 | p[1]; }

/* Goes to the next label of the name at *at, following pointers (RFC 1035 4.1.4): its length,
 * 0 at the end, -1 when it is broken. *hops bounds the walk: a name has at most 127 labels. */
static int label(const packet *k, size_t *at, unsigned *hops)
{
	while (*at < k->len && (*hops)++ < 255) {
		unsigned n = k->p[*at];
		if (n < 64)
			return *at + 1 + n <= k->len ? (int)n : -1;
		if (n < 0xc0 || *at + 2 > k->len)
			break;
		*at = two(k->p + *at) & 0x3fff;
	}
	return -1;
}

/* Are two names the same? Letters in either case (RFC 6762 16). */
static int same(const packet *a, size_t i, const packet *b, size_t j)
{
	unsigned hops = 0;
	for (;;) {
		int n = label(a, &i, &hops), m = label(b, &j, &hops);
		if (n != m || n < 0)
			return 0;
		if (n == 0)
			return 1;
		i++;
		j++;
		for (; n > 0; n--) {
			unsigned x = a->p[i++], y = b->p[j++];
			unsigned d = x ^ y;
			if (d && !(d == 32 && (x | 32) >= 'a' && (x | 32) <= 'z'))
				return 0;
		}
	}
}

/* Where the name at `at` ends in the packet, 0 when it does not. */
static size_t behind(const packet *k, size_t at)
{
	while (at < k->len) {
		unsigned n = k->p[at];
		if (n >= 0xc0)
			return at + 2;
		at += n + 1;
		if (n == 0)
			return at;
	}
	return 0;
}

/* Reads the record at `at`: 1 or 0. */
static int read(const packet *k, size_t at, record *r)
{
	r->name = at;
	at = behind(k, at);
	if (at == 0 || at + 10 > k->len)
		return 0;
	r->type = two(k->p + at);
	if ((two(k->p + at + 2) & 0x7fff) != 1) /* the upper bit says "flush" (RFC 6762 10.2) */
		r->type = 0;
	if (!(k->p[at + 4] | k->p[at + 5] | k->p[at + 6] | k->p[at + 7]))
		r->type = 0; /* lifetime 0: it says goodbye (10.1) */
	r->data = at + 10;
	r->next = r->data + two(k->p + at + 8);
	return r->next <= k->len;
}

/* Finds the next record of a type with the name, from `at` on. Answers and additional records
 * follow each other, and who counts wrong is not worth to be heard: the packet's end decides. */
static int find(const packet *k, size_t at, unsigned type, const packet *of, size_t name, record *r)
{
	for (; read(k, at, r); at = r->next)
		if (r->type == type && same(k, r->name, of, name))
			return 1;
	return 0;
}

/* Copies the value of key= from the TXT strings, cut to size. */
static void value(const packet *k, const record *r, const char *key, char *to, size_t size)
{
	size_t at = r->data, i, n;
	for (; at < r->next; at += n + 1) {
		n = k->p[at];
		if (at + 1 + n > r->next)
			return;
		for (i = 0; i < n && key[i] && (k->p[at + 1 + i] | 32) == (uint8_t)key[i]; i++)
			;
		if (key[i] || i == n || k->p[at + 1 + i] != '=')
			continue;
		for (i++; i < n && size > 1; size--)
			*to++ = (char)k->p[at + 1 + i++];
		*to = 0;
		return; /* the first one counts (RFC 6763 6.4) */
	}
}

/* Fills hub with what the packet says about the instance whose name stands at `name`. */
static int resolve(const packet *k, size_t first, size_t name, td_hub *hub)
{
	record srv, r;
	unsigned hops = 0;
	int i, n;
	char flag[2];
	for (i = 0; i < (int)sizeof *hub; i++)
		((uint8_t *)hub)[i] = 0;
	if (!find(k, first, SRV, k, name, &srv) || srv.next - srv.data < 7)
		return 0;
	hub->port = (uint16_t)two(k->p + srv.data + 4);
	hub->path[0] = '/';
	hub->path[1] = 'w';
	hub->path[2] = 's';
	flag[0] = 0;
	if (find(k, first, TXT, k, name, &r)) {
		value(k, &r, "id", hub->id, sizeof hub->id);
		value(k, &r, "path", hub->path, sizeof hub->path);
		value(k, &r, "tls", flag, sizeof flag);
	}
	hub->tls = flag[0] == '1';
	if (find(k, first, A, k, srv.data + 6, &r) && r.next - r.data == 4)
		for (i = 0; i < 4; i++)
			hub->ip[i] = k->p[r.data + (size_t)i];
	n = label(k, &name, &hops);
	for (i = 0; i < n; i++)
		hub->name[i] = (char)k->p[name + 1 + (size_t)i];
	return hub->port != 0;
}

int td_dnssd_answer(const uint8_t *p, size_t len, const char *id, td_hub *hub)
{
	packet k, service;
	record r;
	size_t first = 12, at, i;
	unsigned n;
	k.p = p;
	k.len = len;
	service.p = td_dnssd_query;
	service.len = sizeof td_dnssd_query;
	if (len < 12 || (two(p + 2) & 0xf80f) != 0x8000) /* an answer, and no error */
		return 0;
	for (n = two(p + 4); n; n--) { /* a plain DNS client gets its question back (6.7) */
		first = behind(&k, first);
		if (first == 0)
			return 0;
		first += 4;
	}
	for (at = first; at < len; at = r.next) /* a packet that was cut tells nothing */
		if (!read(&k, at, &r))
			return 0;
	n = 8; /* so many hubs in one packet: more is an attempt to keep us busy */
	for (at = first; n-- && find(&k, at, PTR, &service, 12, &r); at = r.next) {
		if (!resolve(&k, first, r.data, hub))
			continue;
		for (i = 0; id && id[i] && id[i] == hub->id[i]; i++)
			;
		if (!id || id[i] == hub->id[i])
			return 1;
	}
	return 0;
}
