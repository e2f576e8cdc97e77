/*
 * A client of other people's parts: libwebsockets and libcbor, as Debian has them.
 * lws PORT: publishes one reading as CBOR and one as JSON, subscribes to the topic,
 * and prints what comes: "ok ID SEQ", "msg VALUE", "text FRAME".
 */
#include <cbor.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int step, left = 3, failed;

static void put(cbor_item_t *map, uint8_t key, cbor_item_t *value)
{
	struct cbor_pair p = { cbor_move(cbor_build_uint8(key)), cbor_move(value) };
	if (!cbor_map_add(map, p))
		exit(3);
}

/* One publish: the id is a float, and the whole is tagged as CBOR. */
static size_t reading(unsigned char *out, size_t room)
{
	cbor_item_t *map = cbor_new_definite_map(4);
	put(map, 0, cbor_build_uint8(2));
	put(map, 1, cbor_build_float8(1700000000000.0));
	put(map, 2, cbor_build_string("c/lws"));
	put(map, 3, cbor_build_float4(21.5f));
	cbor_item_t *self = cbor_new_tag(55799);
	cbor_tag_set_item(self, map);
	size_t n = cbor_serialize(self, out, room);
	cbor_decref(&map);
	cbor_decref(&self);
	return n;
}

static void binary(const unsigned char *in, size_t len)
{
	struct cbor_load_result r;
	cbor_item_t *m = cbor_load(in, len, &r);
	if (!m || r.error.code || !cbor_isa_map(m) || r.read != len) {
		failed = 1;
		return;
	}
	uint64_t op = 99, id = 0, seq = 0;
	double data = 0;
	struct cbor_pair *p = cbor_map_handle(m);
	for (size_t i = 0; i < cbor_map_size(m); i++) {
		uint64_t key = cbor_get_int(p[i].key);
		if (key == 0)
			op = cbor_get_int(p[i].value);
		else if (key == 1)
			id = cbor_get_int(p[i].value);
		else if (key == 5)
			seq = cbor_get_int(p[i].value);
		else if (key == 3 && cbor_is_float(p[i].value))
			data = cbor_float_get_float(p[i].value);
		else if (key == 3 && cbor_isa_uint(p[i].value))
			data = cbor_get_int(p[i].value);
	}
	if (op == 6) {
		printf("ok %llu %llu\n", (unsigned long long)id, (unsigned long long)seq);
		left--;
	} else if (op == 3) {
		printf("msg %g\n", data);
		left--;
	}
	cbor_decref(&m);
}

static int callback(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t len)
{
	static unsigned char buf[LWS_PRE + 256];
	static const char text[] = "{\"op\":\"pub\",\"id\":2.0,\"topic\":\"c/lws\",\"data\":22,\"seq\":null}";
	static const unsigned char sub[] = "\xa4\x00\x04\x01\x03\x02\x65" "c/lws\x08\xa1\x64last\xf9\x3c\x00"; /* last: 1.0 */
	size_t n;
	(void)user;
	switch (why) {
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		if (why == LWS_CALLBACK_CLIENT_WRITEABLE && step < 3) {
			if (step == 0)
				n = reading(buf + LWS_PRE, 256);
			else
				memcpy(buf + LWS_PRE, step == 1 ? (const void *)text : sub, n = step == 1 ? sizeof text - 1 : sizeof sub - 1);
			if (lws_write(wsi, buf + LWS_PRE, n, step == 1 ? LWS_WRITE_TEXT : LWS_WRITE_BINARY) < (int)n)
				return -1;
			step++;
		}
		if (step < 3)
			lws_callback_on_writable(wsi);
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		if (lws_frame_is_binary(wsi))
			binary(in, len);
		else
			printf("text %.*s\n", (int)len, (char *)in), left--;
		if (left <= 0)
			return -1;
		break;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		fprintf(stderr, "%s\n", in ? (char *)in : "no connection");
		failed = 1;
		/* fall through */
	case LWS_CALLBACK_CLIENT_CLOSED:
		left = 0;
		break;
	default:
		break;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct lws_protocols protocols[] = { { "topicd.v1.cbor", callback, 0, 1024, 0, NULL, 0 }, { NULL, NULL, 0, 0, 0, NULL, 0 } };
	struct lws_context_creation_info info;
	struct lws_client_connect_info to;
	if (argc < 2)
		return 2;
	lws_set_log_level(LLL_ERR, NULL);
	memset(&info, 0, sizeof info);
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = protocols;
	struct lws_context *c = lws_create_context(&info);
	memset(&to, 0, sizeof to);
	to.context = c;
	to.address = to.host = to.origin = "127.0.0.1"; /* as its examples have it: Origin and Host without a port */
	to.port = atoi(argv[1]);
	to.path = "/ws";
	to.protocol = protocols[0].name;
	if (!c || !lws_client_connect_via_info(&to))
		return 1;
	left = 4;
	for (int i = 0; left > 0 && !failed && i < 200; i++)
		lws_service(c, 50);
	lws_context_destroy(c);
	puts(failed ? "failed" : "done");
	return failed;
}
