/* main.c - an ESP-IDF device: finds the hub with the mdns component, publishes a temperature,
 * takes a command. One task and one lwIP socket; ../../c is the client.
 *
 *      idf.py add-dependency espressif/mdns && idf.py set-target esp32c3 && idf.py flash
 *
 * Not compiled here: there is no ESP-IDF in Debian. The tests compile it with gcc against small
 * stand-ins for IDF's headers and run it so against the real hub. Written for IDF 5. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "esp_event.h"
#include "esp_log.h"
#include "esp_netif.h"
#include "esp_random.h"
#include "esp_timer.h"
#include "esp_wifi.h"
#include "freertos/FreeRTOS.h"
#include "freertos/event_groups.h"
#include "freertos/task.h"
#include "lwip/sockets.h"
#include "mdns.h"
#include "nvs.h"
#include "nvs_flash.h"

#include "topicd.h"

#define SSID "your network"
#define PASSWORD "your password"
#define DEVICE "greenhouse-2" /* its name at the hub: another one on each board */
#define EVERY 10000           /* ms between readings */
#define SILENCE 70000         /* the hub pings each 45 s and gives 25 for the pong */

static const char *TAG = "topicd";
static EventGroupHandle_t wifi;
#define HAS_IP BIT0

typedef struct {
	uint32_t ip; /* network order */
	uint16_t port;
	char path[65], id[17]; /* of TXT */
	char token[TD_TOKEN];  /* what the hub with this id gave us when we joined, "" before */
} hub_addr;

static hub_addr hub;
static int sock = -1;
static uint32_t tx[48];
static uint8_t rx[256];
static td_out out = { .buf = tx, .cap = sizeof tx };
static td_in in = { .buf = rx, .cap = sizeof rx };
static td_topic temp = { "greenhouse/2/temp", 0 };
static td_topic fan = { "greenhouse/2/fan", 0 };
static bool online;
static int64_t heard, last, hold_off;

static int64_t now_ms(void) { return esp_timer_get_time() / 1000; }
static float temperature(void) { return 20.0f + (float)(now_ms() % 100) / 16.0f; } /* your sensor */

/* ---- The hub's address, and our token ------------------------------------------------- */

static void load_hub(void)
{
	nvs_handle_t h;
	size_t n = sizeof hub;
	if (nvs_open("topicd", NVS_READONLY, &h) != ESP_OK)
		return;
	if (nvs_get_blob(h, "hub", &hub, &n) != ESP_OK || n != sizeof hub)
		memset(&hub, 0, sizeof hub);
	nvs_close(h);
}

static void save_hub(void)
{
	hub_addr old = { 0 };
	size_t n = sizeof old;
	nvs_handle_t h;
	if (nvs_open("topicd", NVS_READWRITE, &h) != ESP_OK)
		return;
	if (nvs_get_blob(h, "hub", &old, &n) != ESP_OK || memcmp(&old, &hub, sizeof hub) != 0) {
		nvs_set_blob(h, "hub", &hub, sizeof hub); /* flash wears: only what has changed */
		nvs_commit(h);
	}
	nvs_close(h);
}

/* Asks 3 times 5 seconds with the radio awake: a query of 1.5 s under power save misses. */
static bool find_hub(void)
{
	mdns_result_t *found = NULL;
	bool ok = false;
	esp_wifi_set_ps(WIFI_PS_NONE);
	for (int i = 0; i < 3 && found == NULL; i++)
		mdns_query_ptr("_topicd", "_tcp", 5000, 4, &found);
	esp_wifi_set_ps(WIFI_PS_MIN_MODEM);
	for (mdns_result_t *r = found; r != NULL && !ok; r = r->next) {
		hub_addr h = hub;
		bool tls = false;
		h.port = r->port;
		h.id[0] = 0;
		strcpy(h.path, "/ws");
		for (size_t i = 0; i < r->txt_count; i++) {
			if (r->txt[i].value == NULL)
				continue;
			if (strcmp(r->txt[i].key, "path") == 0)
				snprintf(h.path, sizeof h.path, "%s", r->txt[i].value);
			if (strcmp(r->txt[i].key, "id") == 0)
				snprintf(h.id, sizeof h.id, "%s", r->txt[i].value);
			if (strcmp(r->txt[i].key, "tls") == 0)
				tls = r->txt[i].value[0] == '1';
		}
		if (hub.token[0] && strcmp(h.id, hub.id) != 0)
			continue; /* our token is no other hub's business */
		for (mdns_ip_addr_t *a = r->addr; a != NULL && !tls && !ok; a = a->next) {
			if (a->addr.type != ESP_IPADDR_TYPE_V4)
				continue;
			h.ip = a->addr.u_addr.ip4.addr;
			hub = h;
			ok = true;
		}
	}
	mdns_query_results_free(found);
	return ok;
}

/* ---- The link ------------------------------------------------------------------------- */

static void drop(void)
{
	if (sock >= 0)
		close(sock);
	sock = -1;
	online = false;
}

static void send_bytes(const void *p)
{
	size_t n = out.len;
	if (p == NULL || n == out.cap)
		ESP_LOGE(TAG, "tx is too small");
	while (sock >= 0 && p != NULL && n > 0) {
		ssize_t k = send(sock, p, n, 0);
		if (k <= 0) {
			drop();
			return;
		}
		p = (const char *)p + k;
		n -= (size_t)k;
	}
}

static td_out *fresh(void) /* each frame has a new mask */
{
	out.mask = esp_random();
	return &out;
}

static bool open_hub(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(hub.port) };
	struct timeval patience = { .tv_sec = 1 };
	uint8_t ip[4];
	char host[24];
	if (hub.port == 0)
		return false;
	memcpy(&to.sin_addr, &hub.ip, 4);
	memcpy(ip, &hub.ip, 4);
	sock = socket(AF_INET, SOCK_STREAM, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof to) != 0) {
		drop();
		return false;
	}
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	snprintf(host, sizeof host, "%d.%d.%d.%d:%u", ip[0], ip[1], ip[2], ip[3], hub.port);
	in.len = in.done = 0;
	temp.alias = 0; /* aliases end with the connection */
	heard = now_ms();
	td_handshake(&out, host, hub.path);
	send_bytes(tx);
	return sock >= 0;
}

static void send_reading(void)
{
	if (temp.alias) { /* 9 bytes, 15 on the wire */
		send_bytes(td_pub_float(fresh(), &temp, temperature()));
		return;
	}
	td_begin(fresh(), TD_PUB, &temp); /* with an id: its answer brings the alias */
	td_id(&out, 1);
	td_key(&out, TD_K_DATA);
	td_senml(&out, NULL, "Cel", temperature(), 0);
	send_bytes(td_frame(&out, TD_WS_BINARY));
}

static void handle(int op, td_val m)
{
	td_val v = m, w = m;
	switch (op) {
	case TD_ACCEPTED:
		send_bytes(td_hello(fresh(), DEVICE, hub.token));
		break;
	case TD_WELCOME:
		online = true;
		hold_off = 0;
		last = now_ms() - EVERY;
		td_token(&m, hub.token); /* we have joined: into flash before anything else */
		save_hub();
		send_bytes(td_request(fresh(), TD_SUB, &fan, 2));
		break;
	case TD_WS_PING:
		send_bytes(td_control(fresh(), TD_WS_PONG, m.at, (size_t)(m.end - m.at)));
		break;
	case TD_OK:
		if (td_get(&v, TD_K_ID) && v.lo == 1 && td_get(&w, TD_K_TOPIC) && w.type == TD_UINT)
			temp.alias = w.lo;
		break;
	case TD_MSG:
		if (td_get(&v, TD_K_DATA))
			ESP_LOGI(TAG, "command %d", v.type == TD_TRUE || (v.type == TD_UINT && v.lo) ||
				 (v.type >= TD_HALF && td_real(&v) > 0));
		break;
	case TD_ERR: /* ../../protocol.md says what to do on each code */
		if (!td_get(&v, TD_K_ERR))
			break;
		w = v;
		hold_off = td_get(&w, td_label("retry")) ? w.lo : 0;
		w = v;
		if (!td_get(&w, td_label("code")) || !td_get(&v, td_label("msg")) || v.type != TD_TEXT)
			break;
		ESP_LOGW(TAG, "%u %.*s", (unsigned)w.lo, (int)v.lo, td_chars(&v));
		if (w.lo == 404)
			temp.alias = 0;
		/* To our hello. The next connection asks again, without a token that the hub does not
		 * know; flash keeps it until there is another one. */
		if (w.lo == 401 && !online) {
			if (hold_off == 0)
				hub.token[0] = 0;
			drop();
		}
		break;
	case TD_WS_CLOSE:
	case TD_BYE:
	case '3': case '4': case '5': /* HTTP said no */
		drop();
		break;
	}
}

/* Serves the link until it is lost. */
static void serve(void)
{
	while (sock >= 0) {
		td_val m;
		int op;
		ssize_t n = recv(sock, in.buf + in.len, in.cap - in.len, 0);
		if (n > 0) {
			in.len += (size_t)n;
			heard = now_ms();
		} else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
			break;
		}
		while (sock >= 0 && (op = td_poll(&in, &m)) != 0) {
			if (op < 0) {
				drop();
				return;
			}
			handle(op, m);
		}
		if (now_ms() - heard > SILENCE)
			break;
		if (online && now_ms() - last >= EVERY + hold_off) {
			last = now_ms();
			hold_off = 0;
			send_reading();
		}
	}
	drop();
}

static void hub_task(void *arg)
{
	uint32_t pause = 1000;
	(void)arg;
	load_hub();
	for (;;) {
		xEventGroupWaitBits(wifi, HAS_IP, pdFALSE, pdTRUE, portMAX_DELAY);
		if (open_hub() || (find_hub() && open_hub())) {
			int64_t since = now_ms();
			serve();
			ESP_LOGI(TAG, "lost");
			if (now_ms() - since > 60000)
				pause = 1000;
		}
		vTaskDelay(pdMS_TO_TICKS(pause / 2 + esp_random() % (pause / 2))); /* not all at once */
		pause = pause < 30000 ? pause * 2 : 30000;
	}
}

/* ---- Wi-Fi ---------------------------------------------------------------------------- */

static void on_wifi(void *arg, esp_event_base_t base, int32_t id, void *data)
{
	(void)arg;
	(void)data;
	if (base == IP_EVENT && id == IP_EVENT_STA_GOT_IP) {
		xEventGroupSetBits(wifi, HAS_IP);
	} else if (base == WIFI_EVENT && (id == WIFI_EVENT_STA_START || id == WIFI_EVENT_STA_DISCONNECTED)) {
		xEventGroupClearBits(wifi, HAS_IP);
		esp_wifi_connect();
	}
}

void app_main(void)
{
	wifi_init_config_t init = WIFI_INIT_CONFIG_DEFAULT();
	wifi_config_t config = { .sta = { .ssid = SSID, .password = PASSWORD } };
	wifi = xEventGroupCreate();
	ESP_ERROR_CHECK(nvs_flash_init());
	ESP_ERROR_CHECK(esp_netif_init());
	ESP_ERROR_CHECK(esp_event_loop_create_default());
	esp_netif_create_default_wifi_sta();
	ESP_ERROR_CHECK(esp_wifi_init(&init));
	ESP_ERROR_CHECK(esp_event_handler_register(WIFI_EVENT, ESP_EVENT_ANY_ID, on_wifi, NULL));
	ESP_ERROR_CHECK(esp_event_handler_register(IP_EVENT, IP_EVENT_STA_GOT_IP, on_wifi, NULL));
	ESP_ERROR_CHECK(esp_wifi_set_mode(WIFI_MODE_STA));
	ESP_ERROR_CHECK(esp_wifi_set_config(WIFI_IF_STA, &config));
	ESP_ERROR_CHECK(esp_wifi_start());
	ESP_ERROR_CHECK(mdns_init());
	xTaskCreate(hub_task, "topicd", 4096, NULL, 5, NULL);
}
