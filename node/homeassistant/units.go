package homeassistant

import "strings"

// unit is what Home Assistant calls a SenML unit.
type unit struct {
	name  string // unit_of_measurement, "" = none
	class string // device_class, "" = none
	state state
	scale string // by which a value is multiplied, "" = 1
}

// state is a state_class.
type state uint8

const (
	measurement state = iota
	total             // total_increasing while the value only grows, else what is stored
	noState
)

// units are the units of SenML (RFC 8428 section 12.1, RFC 8798, and the registry
// "SenML Units" of IANA) with Home Assistant's names for them. Its names are those of
// homeassistant/const.py and homeassistant/components/sensor/const.py
// (DEVICE_CLASS_UNITS, DEVICE_CLASS_STATE_CLASSES) of core at 00eb6680; the test has
// what they allow as a table. A unit that is not here is handed on as it is, without
// a class: Home Assistant takes any text where there is none.
var units = map[string]unit{
	"Cel": {name: "°C", class: "temperature"},
	"K":   {name: "K", class: "temperature"},

	"%RH":   {name: "%", class: "humidity"},
	"%EL":   {name: "%", class: "battery"},
	"%":     {name: "%"},
	"/100":  {name: "%"},
	"/":     {name: "%", scale: "100"},
	"/1000": {name: "‰"},
	"ppm":   {name: "ppm"},
	"ppb":   {name: "ppb"},
	"pH":    {class: "ph"},
	"count": {},

	"Pa":  {name: "Pa", class: "pressure"},
	"hPa": {name: "hPa", class: "pressure"},

	"V":    {name: "V", class: "voltage"},
	"mV":   {name: "mV", class: "voltage"},
	"A":    {name: "A", class: "current"},
	"mA":   {name: "mA", class: "current"},
	"W":    {name: "W", class: "power"},
	"kW":   {name: "kW", class: "power"},
	"VA":   {name: "VA", class: "apparent_power"},
	"kVA":  {name: "VA", class: "apparent_power", scale: "1000"},
	"var":  {name: "var", class: "reactive_power"},
	"kvar": {name: "var", class: "reactive_power", scale: "1000"},
	"J":    {name: "J", class: "energy", state: total},
	"Wh":   {name: "Wh", class: "energy", state: total},
	"kWh":  {name: "kWh", class: "energy", state: total},
	"Ohm":  {name: "Ω"},
	"Ah":   {name: "Ah"},

	"lx":   {name: "lx", class: "illuminance"},
	"W/m2": {name: "W/m²", class: "irradiance"},

	"m/s":  {name: "m/s", class: "speed"},
	"km/h": {name: "km/h", class: "speed"},
	"kn":   {name: "kn", class: "speed"},
	"m/s2": {name: "m/s²"},
	"deg":  {name: "°"},
	"rad":  {name: "°", scale: "57.29577951308232"},
	"lat":  {name: "°"},
	"lon":  {name: "°"},

	"kg":  {name: "kg", class: "weight"},
	"g":   {name: "g", class: "weight"},
	"m":   {name: "m", class: "distance"},
	"cm":  {name: "cm", class: "distance"},
	"mm":  {name: "mm", class: "distance"},
	"km":  {name: "km", class: "distance"},
	"m2":  {name: "m²", class: "area"},
	"l":   {name: "L", class: "volume", state: total},
	"m3":  {name: "m³", class: "volume", state: total},
	"l/s": {name: "L/s", class: "volume_flow_rate"},

	"m3/s":  {name: "m³/s", class: "volume_flow_rate"},
	"mm/h":  {name: "mm/h", class: "precipitation_intensity"},
	"ug/m3": {name: "µg/m³"},
	"S/m":   {name: "mS/cm", class: "conductivity", scale: "10"},

	"dB":  {name: "dB", class: "signal_strength"},
	"dBm": {name: "dBm", class: "signal_strength"},
	"Hz":  {name: "Hz", class: "frequency"},
	"MHz": {name: "MHz", class: "frequency"},
	"s":   {name: "s", class: "duration"},
	"ms":  {name: "ms", class: "duration"},
	"min": {name: "min", class: "duration"},
	"h":   {name: "h", class: "duration"},

	"bit":    {name: "bit", class: "data_size"},
	"B":      {name: "B", class: "data_size"},
	"KiB":    {name: "KiB", class: "data_size"},
	"GB":     {name: "GB", class: "data_size"},
	"bit/s":  {name: "bit/s", class: "data_rate"},
	"Mbit/s": {name: "Mbit/s", class: "data_rate"},
	"B/s":    {name: "B/s", class: "data_rate"},
	"MB/s":   {name: "MB/s", class: "data_rate"},

	"beat/min": {name: "bpm"},
}

// hints are classes that only the name of a sensor tells: a unit of Home Assistant,
// a part of the name in lower case, and the class that both together mean.
var hints = []struct{ unit, word, class string }{
	{"ppm", "co2", "carbon_dioxide"},
	{"ppm", "carbon_dioxide", "carbon_dioxide"},
	{"ppm", "voc", "volatile_organic_compounds_parts"},
	{"ppb", "voc", "volatile_organic_compounds_parts"},
	{"µg/m³", "pm10", "pm10"},
	{"µg/m³", "pm2", "pm25"},
	{"µg/m³", "pm1", "pm1"},
	{"hPa", "baro", "atmospheric_pressure"},
	{"hPa", "atmos", "atmospheric_pressure"},
	{"hPa", "weather", "atmospheric_pressure"},
	{"Pa", "baro", "atmospheric_pressure"},
	{"Pa", "atmos", "atmospheric_pressure"},
	{"Pa", "weather", "atmospheric_pressure"},
	{"m/s", "wind", "wind_speed"},
	{"km/h", "wind", "wind_speed"},
	{"kn", "wind", "wind_speed"},
	{"°", "wind", "wind_direction"},
	{"mm", "rain", "precipitation"},
	{"L", "water", "water"},
	{"m³", "water", "water"},
	{"m³", "gas", "gas"},
	{"%", "battery", "battery"},
	{"%", "moisture", "moisture"},
	{"%", "humidity", "humidity"},
}

// unitOf is what Home Assistant calls a SenML unit of the sensor of that name. fell:
// its value does not only grow, so it is a store and no meter.
func unitOf(senml, name string, fell bool) unit {
	u, known := units[senml]
	if !known {
		u.name = senml
	}
	name = strings.ToLower(name)
	for _, h := range hints {
		if h.unit == u.name && strings.Contains(name, h.word) {
			u.class = h.class
			break
		}
	}
	if u.class == "wind_direction" {
		u.state = noState // degrees have no mean
	}
	if u.state == total && fell {
		u.state = measurement
		switch u.class {
		case "energy":
			u.class = "energy_storage"
		default:
			u.class = "volume_storage"
		}
	}
	return u
}
