/* topicd_json.h - for who looks for a fault: what goes over the wire, as JSON text. It is not
 * needed to speak to the hub, and wants snprintf.
 *
 *      int op = td_poll(&in, &m);
 *      if (op > 0 && op < TD_WS_TEXT) { td_json(&m, text, sizeof text); puts(text); }
 *      f = td_frame(&out, TD_WS_BINARY);
 *      td_json_sent(&out, f, text, sizeof text); puts(text);
 *
 * The hub speaks JSON itself to who says hello in it, so that a browser's console or tcpdump
 * shows what it says: td_say(&out, "{\"op\":\"hello\"}") of topicd.h, and TD_WS_TEXT brings the
 * answers, from m.at to m.end. */
#ifndef TOPICD_JSON_H
#define TOPICD_JSON_H

#include "topicd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes a message or any other value as JSON, cut to cap with a 0 behind it. Keys and verbs are
 * written by their names, bytes in hex. Returns its length, cut or not. */
size_t td_json(const td_val *v, char *to, size_t cap);

/* The same of a frame that td_frame gave: 0 when it is none that carries a message. */
size_t td_json_sent(td_out *o, const uint8_t *frame, char *to, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
