/* topicd_dnssd.h - finds a hub on the local network: one DNS-SD query over multicast DNS.
 *
 * For parts without an mDNS library (ESP-IDF and Arduino have one). C99, no malloc, no libc.
 * You bring a UDP socket: send td_dnssd_query to 224.0.0.251:5353 from any port but 5353, so
 * the answer comes to you alone (RFC 6762 6.7), and give each datagram that arrives within a
 * few seconds to td_dnssd_answer. No answer: ask again, 3 times 5 seconds; a radio that
 * sleeps misses multicast. Keep the last good address: ask again only when it fails. */
#ifndef TOPICD_DNSSD_H
#define TOPICD_DNSSD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The query: PTR _topicd._tcp.local, unicast answer wished (QU, RFC 6762 5.4). */
extern const uint8_t td_dnssd_query[36];

typedef struct {
	uint8_t ip[4]; /* 0.0.0.0: the answer had none; use the address that it came from */
	uint16_t port;
	uint8_t tls;   /* TXT tls=1: this client alone cannot speak to it */
	char name[64]; /* instance, UTF-8: hearsay, escape it before you print it */
	char id[17];   /* TXT id, "" when there is none: stays when address and name change */
	char path[65]; /* TXT path, "/ws" when there is none */
} td_hub;

/* Reads one datagram: 1 and *hub, 0 when it names no hub that we look for, or not all of it.
 * id chooses among several, NULL takes the first. */
int td_dnssd_answer(const uint8_t *packet, size_t len, const char *id, td_hub *hub);

#ifdef __cplusplus
}
#endif
#endif
