package sense

import (
	"os"
	"path"
	"slices"
	"strings"
)

// disks notes the whole disks. /sys/block has no partitions; memory disks and
// loops would count what is counted below them.
func (l *lister) disks() {
	disks := map[string]bool{}
	l.each("/sys/block", "", func(name, _ string) {
		for _, not := range [...]string{"loop", "ram", "zram"} {
			if strings.HasPrefix(name, not) {
				return
			}
		}
		disks[strings.ReplaceAll(name, "!", "/")] = true // sysfs cannot hold "cciss/c0d0"
	})
	l.b.disks.Store(&disks)
}

// thermal lists thermal_zoneN/{type,temp}, in m°C.
func (l *lister) thermal() {
	taken := names{}
	l.each("/sys/class/thermal", "thermal_zone", func(zone, dir string) {
		topic := "thermal/" + taken.take(l.text(dir+"/type", zone))
		l.add(dir, []*source{numberSource(l.b.o.Root, dir+"/temp", topic, scale{unitCel, 1, 1000})})
	})
}

// hwmonKinds are the channels of hwmonN: <kind><number>_input, the kernel's
// Documentation/hwmon/sysfs-interface.
var hwmonKinds = [...]struct {
	kind  string
	scale scale
}{
	{"temp", scale{unitCel, 1, 1e3}},
	{"in", scale{unitV, 1, 1e3}},
	{"curr", scale{unitA, 1, 1e3}},
	{"power", scale{unitW, 1, 1e6}},
	{"energy", scale{unitJ, 1, 1e6}},
	{"fan", scale{unitPerMin, 1, 1}},
	{"humidity", scale{unitRH, 1, 1e3}},
}

// hwmon lists hwmonN/{name, <kind>N_input, <kind>N_label}.
func (l *lister) hwmon() {
	chips := names{}
	l.each("/sys/class/hwmon", "hwmon", func(chip, dir string) {
		files := l.entries(dir)
		parent := ""
		channels := names{}
		var sources []*source
		for _, file := range files {
			s, channel, ok := hwmonChannel(file, files)
			if !ok {
				continue
			}
			if parent == "" {
				parent = "hwmon/" + chips.take(l.text(dir+"/name", chip)) + "/"
			}
			label := channel
			if slices.Contains(files, channel+"_label") {
				label = l.text(dir+"/"+channel+"_label", channel)
			}
			sources = append(sources, numberSource(l.b.o.Root, dir+"/"+file, parent+channels.take(label), s))
		}
		l.add(dir, sources)
	})
}

// hwmonChannel tells a value's file from the others of a chip. A power meter may
// have an average only.
func hwmonChannel(file string, files []string) (s scale, channel string, ok bool) {
	channel, ok = strings.CutSuffix(file, "_input")
	average := false
	if !ok {
		channel, average = strings.CutSuffix(file, "_average")
		if !average || slices.Contains(files, channel+"_input") {
			return s, "", false
		}
	}
	kind := strings.TrimRight(channel, "0123456789")
	for _, k := range hwmonKinds {
		if k.kind == kind && kind != channel && (!average || kind == "power") {
			return k.scale, channel, true
		}
	}
	return s, "", false
}

// wireFamilies are the thermometers of the kernel's w1_therm.
var wireFamilies = [...]string{"10-", "22-", "28-", "3b-", "42-"}

// wire lists the thermometers of each 1-wire bus. A bus is one device: its
// conversions go one after another whatever we do.
func (l *lister) wire() {
	root := l.b.o.Root
	taken := names{}
	var order []string
	buses := map[string][]*source{}
	l.each("/sys/bus/w1/devices", "", func(id, dir string) {
		if !slices.ContainsFunc(wireFamilies[:], func(f string) bool { return strings.HasPrefix(id, f) }) {
			return
		}
		file := dir + "/temperature"
		if _, err := os.Stat(root + file); err != nil {
			file = dir + "/w1_slave" // kernels before 5.10
		}
		bus := "w1"
		if target, err := os.Readlink(root + dir); err == nil { // ../../../devices/w1_bus_master1/28-…
			bus = path.Base(path.Dir(target))
		}
		if buses[bus] == nil {
			order = append(order, bus)
		}
		buses[bus] = append(buses[bus], wireSource(root, file, "w1/"+taken.take(id)))
	})
	for _, bus := range order {
		l.add("/sys/bus/w1/devices/"+bus, buses[bus])
	}
}

// powerFiles are the attributes of a power supply and what we call them; the
// kernel's Documentation/ABI/testing/sysfs-class-power has the units. Energy and
// charge come in µWh and µAh.
var powerFiles = [...]struct {
	file, name string
	scale      scale
}{
	{"capacity", "capacity", scale{unitBattery, 1, 1}},
	{"charge_now", "charge", scale{unitC, 3600, 1e6}},
	{"current_now", "current", scale{unitA, 1, 1e6}},
	{"energy_now", "energy", scale{unitJ, 3600, 1e6}},
	{"health", "health", scale{}},
	{"online", "online", scale{unitRatio, 1, 1}},
	{"power_now", "power", scale{unitW, 1, 1e6}},
	{"status", "status", scale{}},
	{"temp", "temp", scale{unitCel, 1, 10}},
	{"time_to_empty_now", "time-to-empty", scale{unitS, 1, 1}},
	{"time_to_full_now", "time-to-full", scale{unitS, 1, 1}},
	{"voltage_now", "voltage", scale{unitV, 1, 1e6}},
}

// power lists power_supply/<name>/*: batteries, chargers, UPS hats.
func (l *lister) power() {
	root := l.b.o.Root
	taken := names{}
	l.each("/sys/class/power_supply", "", func(supply, dir string) {
		files := l.entries(dir)
		parent := "power/" + taken.take(supply) + "/"
		var sources []*source
		for _, f := range powerFiles {
			switch {
			case !slices.Contains(files, f.file):
			case f.scale.unit == "":
				sources = append(sources, textSource(root, dir+"/"+f.file, parent+f.name))
			default:
				sources = append(sources, numberSource(root, dir+"/"+f.file, parent+f.name, f.scale))
			}
		}
		l.add(dir, sources)
	})
}

// iioKinds are the channel types of iio and the kernel's units for them, of
// Documentation/ABI/testing/sysfs-bus-iio. A type that is not here has no unit.
var iioKinds = map[string]scale{
	"accel":                  {"m/s2", 1, 1},
	"altcurrent":             {unitA, 1, 1e3},
	"altvoltage":             {unitV, 1, 1e3},
	"angl":                   {"rad", 1, 1},
	"anglvel":                {"rad/s", 1, 1}, // not in the registry, which has no angular velocity
	"capacitance":            {"F", 1, 1e9},
	"colortemp":              {"K", 1, 1},
	"concentration":          {"ppm", 1e4, 1}, // of percent
	"count":                  {"count", 1, 1},
	"current":                {unitA, 1, 1e3},
	"distance":               {"m", 1, 1},
	"electricalconductivity": {"S/m", 1, 1},
	"energy":                 {unitJ, 1, 1},
	"gravity":                {"m/s2", 1, 1},
	"humidityrelative":       {unitRH, 1, 1e3},
	"illuminance":            {"lx", 1, 1},
	"incli":                  {"deg", 1, 1},
	"magn":                   {"T", 1, 1e4}, // of gauss
	"massconcentration":      {"ug/m3", 1, 1},
	"ph":                     {"pH", 1, 1},
	"phase":                  {"rad", 1, 1},
	"power":                  {unitW, 1, 1e3},
	"pressure":               {unitPa, 1e3, 1}, // of kPa
	"resistance":             {"Ohm", 1, 1},
	"rot":                    {"deg", 1, 1},
	"steps":                  {"count", 1, 1},
	"temp":                   {unitCel, 1, 1e3},
	"velocity":               {"m/s", 1, 1},
	"voltage":                {unitV, 1, 1e3},
}

// iio lists iio:deviceN/{label,name} and its channels in_<channel>_input (ready) or
// in_<channel>_raw with a scale and perhaps an offset.
func (l *lister) iio() {
	taken := names{}
	l.each("/sys/bus/iio/devices", "iio:device", func(device, dir string) {
		files := l.entries(dir)
		parent := ""
		channels := names{}
		var sources []*source
		for _, file := range files {
			channel, ready := strings.CutPrefix(file, "in_")
			if !ready {
				continue
			}
			if channel, ready = strings.CutSuffix(channel, "_input"); !ready {
				var raw bool
				if channel, raw = strings.CutSuffix(channel, "_raw"); !raw || slices.Contains(files, "in_"+channel+"_input") {
					continue
				}
			}
			if parent == "" {
				name := l.text(dir+"/name", device)
				if slices.Contains(files, "label") { // the device tree's, "indoor" perhaps
					name = l.text(dir+"/label", name)
				}
				parent = "iio/" + taken.take(name) + "/"
			}
			sources = append(sources, l.channel(dir, file, channel, parent+channels.take(channel), files))
		}
		l.add(dir, sources)
	})
}

// channel makes the source of one channel.
func (l *lister) channel(dir, file, channel, topic string, files []string) *source {
	root := l.b.o.Root
	kind := iioKind(channel)
	s, known := iioKinds[kind]
	if !known {
		s = scale{unitNone, 1, 1}
	}
	if strings.HasSuffix(file, "_input") {
		return numberSource(root, dir+"/"+file, topic, s)
	}
	factor := shared(channel, kind, "_scale", files)
	if factor == "" { // the converter's own steps
		return numberSource(root, dir+"/"+file, topic, scale{unitNone, 1, 1})
	}
	offset := shared(channel, kind, "_offset", files)
	if offset != "" {
		offset = dir + "/" + offset
	}
	return rawSource(root, dir+"/"+file, offset, dir+"/"+factor, topic, s)
}

// iioKind is the type in a channel's name: "accel" of "accel_x", "voltage" of
// "voltage0" and of "voltage0-voltage1".
func iioKind(channel string) string {
	if i := strings.IndexFunc(channel, func(c rune) bool { return c < 'a' || c > 'z' }); i >= 0 {
		return channel[:i]
	}
	return channel
}

// shared finds an attribute of a channel: its own, one that the channels of its
// kind share, or one that all inputs share; "" when there is none.
func shared(channel, kind, attribute string, files []string) string {
	candidates := [...]string{"in_" + channel + attribute, "in_" + kind + attribute, "in" + attribute}
	if strings.Contains(channel, "-") { // differential
		candidates[1] = "in_" + kind + "-" + kind + attribute
	}
	for _, c := range candidates {
		if slices.Contains(files, c) {
			return c
		}
	}
	return ""
}
