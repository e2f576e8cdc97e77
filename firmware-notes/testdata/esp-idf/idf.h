/* Stand-ins for the parts of ESP-IDF 5 that main.c uses, over Linux: for the tests only. They
 * prove that the example is C and speaks to the hub, not that IDF takes it. */
#pragma once
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef int esp_err_t;
#define ESP_OK 0
#define ESP_FAIL -1
#define ESP_ERROR_CHECK(x) do { if ((x) != ESP_OK) abort(); } while (0)
#define ESP_LOGI(tag, ...) (printf("I %s ", tag), printf(__VA_ARGS__), puts(""), (void)fflush(stdout))
#define ESP_LOGW ESP_LOGI
#define ESP_LOGE ESP_LOGI
#define BIT0 1
#define pdTRUE 1
#define pdFALSE 0
#define portMAX_DELAY 0xffffffffu
#define pdMS_TO_TICKS(ms) (ms)

typedef const char *esp_event_base_t;
static const char *const WIFI_EVENT = "wifi", *const IP_EVENT = "ip";
enum { IP_EVENT_STA_GOT_IP, WIFI_EVENT_STA_START, WIFI_EVENT_STA_DISCONNECTED, ESP_EVENT_ANY_ID = -1 };
typedef void (*esp_event_handler_t)(void *, esp_event_base_t, int32_t, void *);
typedef int *EventGroupHandle_t;
static esp_event_handler_t the_handler;
static int bits;
static inline EventGroupHandle_t xEventGroupCreate(void) { return &bits; }
static inline uint32_t xEventGroupSetBits(EventGroupHandle_t g, uint32_t b) { return (uint32_t)(*g |= (int)b); }
static inline uint32_t xEventGroupClearBits(EventGroupHandle_t g, uint32_t b) { return (uint32_t)(*g &= ~(int)b); }
static inline uint32_t xEventGroupWaitBits(EventGroupHandle_t g, uint32_t b, int c, int all, uint32_t t)
{
	(void)c, (void)all, (void)t;
	if (!((uint32_t)*g & b))
		abort(); /* nobody else would set them */
	return (uint32_t)*g;
}
static inline void vTaskDelay(uint32_t ms) { usleep(ms * 1000); }
static inline int xTaskCreate(void (*f)(void *), const char *n, uint32_t stack, void *arg, unsigned prio, void *h)
{
	(void)n, (void)stack, (void)prio, (void)h;
	f(arg);
	return pdTRUE;
}
static inline int64_t esp_timer_get_time(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}
static inline uint32_t esp_random(void)
{
	uint32_t v;
	if (getrandom(&v, sizeof v, 0) != sizeof v)
		abort();
	return v;
}
static inline esp_err_t esp_event_handler_register(esp_event_base_t b, int32_t id, esp_event_handler_t h, void *arg)
{
	(void)b, (void)id, (void)arg;
	the_handler = h;
	return ESP_OK;
}
static inline esp_err_t esp_event_loop_create_default(void) { return ESP_OK; }
static inline esp_err_t esp_netif_init(void) { return ESP_OK; }
static inline void *esp_netif_create_default_wifi_sta(void) { return NULL; }

typedef struct { int x; } wifi_init_config_t;
#define WIFI_INIT_CONFIG_DEFAULT() { 0 }
typedef union { struct { uint8_t ssid[32], password[64]; } sta; } wifi_config_t;
enum { WIFI_PS_NONE, WIFI_PS_MIN_MODEM, WIFI_MODE_STA, WIFI_IF_STA };
static inline esp_err_t esp_wifi_init(const wifi_init_config_t *c) { return c ? ESP_OK : ESP_FAIL; }
static inline esp_err_t esp_wifi_set_mode(int m) { (void)m; return ESP_OK; }
static inline esp_err_t esp_wifi_set_config(int i, wifi_config_t *c) { (void)i; return c ? ESP_OK : ESP_FAIL; }
static inline esp_err_t esp_wifi_connect(void) { the_handler(NULL, IP_EVENT, IP_EVENT_STA_GOT_IP, NULL); return ESP_OK; }
static inline esp_err_t esp_wifi_start(void) { the_handler(NULL, WIFI_EVENT, WIFI_EVENT_STA_START, NULL); return ESP_OK; }
static inline esp_err_t esp_wifi_set_ps(int m) { printf("ps %d\n", m == WIFI_PS_NONE); return ESP_OK; }

typedef int nvs_handle_t;
enum { NVS_READONLY, NVS_READWRITE };
static inline esp_err_t nvs_flash_init(void) { return ESP_OK; }
static inline esp_err_t nvs_open(const char *n, int m, nvs_handle_t *h) { (void)n, (void)m, *h = 1; return ESP_OK; }
/* The flash is the file $FLASH; without one it forgets. */
static inline esp_err_t nvs_get_blob(nvs_handle_t h, const char *k, void *p, size_t *n)
{
	FILE *f = getenv("FLASH") ? fopen(getenv("FLASH"), "r") : NULL;
	(void)h, (void)k;
	if (!f)
		return ESP_FAIL;
	*n = fread(p, 1, *n, f);
	fclose(f);
	return ESP_OK;
}
static inline esp_err_t nvs_set_blob(nvs_handle_t h, const char *k, const void *p, size_t n)
{
	FILE *f = getenv("FLASH") ? fopen(getenv("FLASH"), "w") : NULL;
	(void)h, (void)k;
	if (f && (fwrite(p, 1, n, f) != n || fclose(f) != 0))
		return ESP_FAIL;
	puts("saved");
	return ESP_OK;
}
static inline esp_err_t nvs_commit(nvs_handle_t h) { (void)h; return ESP_OK; }
static inline void nvs_close(nvs_handle_t h) { (void)h; }

/* mdns: a hub at $HUB_PORT of this machine, the second time that it is asked. */
typedef struct { const char *key, *value; } mdns_txt_item_t;
enum { ESP_IPADDR_TYPE_V4, ESP_IPADDR_TYPE_V6 = 6 };
typedef struct mdns_ip_addr_s {
	struct { union { struct { uint32_t addr[4]; } ip6; struct { uint32_t addr; } ip4; } u_addr; uint8_t type; } addr;
	struct mdns_ip_addr_s *next;
} mdns_ip_addr_t;
typedef struct mdns_result_s {
	struct mdns_result_s *next;
	uint16_t port;
	mdns_txt_item_t *txt;
	size_t txt_count;
	mdns_ip_addr_t *addr;
} mdns_result_t;
static inline esp_err_t mdns_init(void) { return ESP_OK; }
static inline esp_err_t mdns_query_ptr(const char *s, const char *p, uint32_t ms, size_t max, mdns_result_t **r)
{
	static int asked;
	static mdns_txt_item_t txt[] = { { "txtvers", "1" }, { "odd", NULL }, { "path", "/ws" }, { "tls", "0" } };
	static mdns_ip_addr_t v4, v6 = { .addr.type = ESP_IPADDR_TYPE_V6, .next = &v4 };
	static mdns_result_t found = { .txt = txt, .txt_count = 4, .addr = &v6 };
	v4.addr.u_addr.ip4.addr = htonl(0x7f000001);
	found.port = (uint16_t)atoi(getenv("HUB_PORT"));
	if (strcmp(s, "_topicd") || strcmp(p, "_tcp") || ms != 5000 || max == 0)
		abort();
	*r = asked++ ? &found : NULL;
	return ESP_OK;
}
static inline void mdns_query_results_free(mdns_result_t *r) { (void)r; }
void app_main(void);
