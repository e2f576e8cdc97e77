package firmware

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A target is a part that firmware is written for.
type target struct{ name, compiler, flags string }

var targets = []target{
	{"Cortex-M0, M0+", "arm-none-eabi-gcc", "-mcpu=cortex-m0 -mthumb --specs=picolibc.specs"},
	{"Cortex-M3", "arm-none-eabi-gcc", "-mcpu=cortex-m3 -mthumb --specs=picolibc.specs"},
	{"Cortex-M4", "arm-none-eabi-gcc", "-mcpu=cortex-m4 -mthumb --specs=picolibc.specs"},
	{"RISC-V rv32imc (ESP32-C3)", "riscv64-unknown-elf-gcc", "-march=rv32imc -mabi=ilp32 --specs=picolibc.specs"},
	{"Xtensa lx106 (ESP8266)", "xtensa-lx106-elf-gcc", ""},
	{"ARM Linux, hard float", "arm-linux-gnueabihf-gcc", ""},
	{"x86-64 Linux", "gcc", ""},
}

type size struct{ text, rodata, data, bss int }

// sizes compiles one file and reads the object's sections.
func sizes(t *testing.T, g target, file string) size {
	t.Helper()
	need(t, g.compiler)
	obj := temp(t, "o.o")
	args := append(append([]string{"-Os", "-ffreestanding", "-pedantic"}, strict...), strings.Fields(g.flags)...)
	run(t, g.compiler, append(args, "-c", "-o", obj, "c/"+file)...)
	var s size
	sections := map[string]*int{".text": &s.text, ".literal": &s.text, ".rodata": &s.rodata, ".data": &s.data, ".bss": &s.bss, ".sdata": &s.data, ".sbss": &s.bss}
	prefix := strings.TrimSuffix(g.compiler, "gcc")
	for line := range strings.Lines(run(t, prefix+"size", "-A", obj)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0][0] != '.' {
			continue
		}
		for name, sum := range sections {
			if f[0] == name || strings.HasPrefix(f[0], name+".") {
				n, _ := strconv.Atoi(f[1])
				*sum += n
			}
		}
	}
	for line := range strings.Lines(run(t, prefix+"nm", "-u", obj)) {
		t.Errorf("%s, %s: needs %s", g.name, file, strings.TrimSpace(line))
	}
	return s
}

// onlyOnce skips what would be the very same under GOARCH=386: C for other parts.
func onlyOnce(t *testing.T) {
	t.Helper()
	if runtime.GOARCH == "386" {
		t.Skip("no Go in it: runs with the host's GOARCH")
	}
}

// TestCSizes compiles for each target, holds the goal and the table of README.md.
func TestCSizes(t *testing.T) {
	onlyOnce(t)
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range targets {
		t.Run(g.name, func(t *testing.T) {
			c, dns := sizes(t, g, "topicd.c"), sizes(t, g, "topicd_dnssd.c")
			if c.data+c.bss+dns.data+dns.bss > 0 {
				t.Errorf("static data: %+v %+v", c, dns)
			}
			if strings.HasPrefix(g.name, "Cortex") && c.text >= 1024 {
				t.Errorf("topicd.c has %d bytes of code", c.text)
			}
			row := fmt.Sprintf("| %s | %d + %d | %d + %d |", g.name, c.text, c.rodata, dns.text, dns.rodata)
			if strings.Contains(string(readme), row) {
				return
			}
			if v := run(t, g.compiler, "-dumpversion"); !strings.HasPrefix(v, "12") {
				t.Logf("not GCC 12, which the table was measured with, but %s%s", v, row)
				return
			}
			t.Errorf("README.md must have the row\n%s", row)
		})
	}
}

// TestCLinks links a whole device for a Cortex-M0: nothing is pulled in from a
// library but picolibc's start.
func TestCLinks(t *testing.T) {
	onlyOnce(t)
	t.Parallel()
	need(t, "arm-none-eabi-gcc")
	obj := temp(t, "device.elf")
	args := append([]string{"-Os", "-mcpu=cortex-m0", "-mthumb", "--specs=picolibc.specs", "-ffunction-sections", "-Wl,--gc-sections",
		"-nostdlib", "-Wl,-e,device"}, strict...)
	for _, f := range []string{"random", "recv", "send", "temperature", "set"} {
		args = append(args, "-Wl,--defsym=board_"+f+"=0x100")
	}
	run(t, "arm-none-eabi-gcc", append(args, "-ffreestanding", "-o", obj, "c/topicd.c", "c/device_m0.c", "-lgcc")...)
	f := strings.Fields(run(t, "arm-none-eabi-size", obj))
	text, err := strconv.Atoi(f[6])
	if err != nil {
		t.Fatal(err)
	}
	readme, _ := os.ReadFile("README.md")
	want := fmt.Sprintf("%d bytes linked", text)
	if !strings.Contains(string(readme), want) && strings.HasPrefix(run(t, "arm-none-eabi-gcc", "-dumpversion"), "12") {
		t.Errorf("README.md must say %q", want)
	}
}

func TestCPlusPlusReadsTheHeaders(t *testing.T) {
	t.Parallel()
	need(t, "g++")
	run(t, "g++", "-std=c++11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsyntax-only", "-x", "c++", "-include", "c/topicd.h", "-include", "c/topicd_dnssd.h", "/dev/null")
}

// example runs example_linux against a hub and publishes the command.
func example(t *testing.T, h *hub, argv ...string) {
	t.Helper()
	h.publish(t, "example/other", `1`)
	c := exec.Command(argv[0], append(argv[1:], "127.0.0.1", h.port(), "/ws", "dev-1")...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(5*time.Minute, func() { _ = c.Process.Kill() }).Stop()
	transcript(t, bufio.NewScanner(out), func() { h.publish(t, "example/command", `{"on":true,"level":0.1}`) })
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	got := h.stored(t, "example/temp")
	if len(got) != 2 || got[1]["data"] != 21.75 || got[1]["from"] != "dev-1" {
		t.Errorf("stored: %v", got)
	}
	if m, _ := got[0]["data"].(map[string]any); m["v"] != 21.5 || m["u"] != "Cel" {
		t.Errorf("the record: %v", got[0])
	}
	if s := h.stored(t, "example/state"); len(s) != 1 || s[0]["data"] != "obeyed" {
		t.Errorf("state: %v", s)
	}
}

// transcript checks what example_linux says, and obeys "subscribed".
func transcript(t *testing.T, lines *bufio.Scanner, command func()) {
	t.Helper()
	want := []string{
		`hub [0-9.:]+/ws id=[0-9a-f]*`, `welcome ping=50000`, `ack seq=1 alias=1`, `published 15 bytes`, `subscribed`,
		`command example/command seq=1 bool 1`, `done big=0`,
	}
	for _, w := range want {
		if !lines.Scan() {
			t.Fatalf("ended before %q", w)
		}
		if !regexp.MustCompile("^" + w + "$").MatchString(lines.Text()) {
			t.Fatalf("said %q, want %q", lines.Text(), w)
		}
		if w == "subscribed" {
			command()
		}
	}
}

func TestCAgainstTheHub(t *testing.T) {
	t.Parallel()
	t.Run("host", func(t *testing.T) {
		example(t, startHub(t, 0), cc(t, "example_linux.c", "gcc", sanitized...))
	})
	t.Run("pinged", func(t *testing.T) { // the hub pings each second, the command comes later
		h := startHub(t, time.Second)
		bin := cc(t, "example_linux.c", "gcc", "-Os")
		c := exec.Command(bin, "127.0.0.1", h.port(), "/ws", "dev-2")
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		transcript(t, bufio.NewScanner(out), func() {
			time.Sleep(2500 * time.Millisecond)
			h.publish(t, "example/command", `{"on":true}`)
		})
		if err := c.Wait(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("arm", func(t *testing.T) {
		need(t, "qemu-arm-static")
		example(t, startHub(t, 0), "qemu-arm-static", cc(t, "example_linux.c", "arm-linux-gnueabihf-gcc", "-Os", "-static"))
	})
}
