// Package sense turns what this board knows about itself into readings: its
// thermal zones, hwmon chips, iio and 1-wire sensors, power supplies, and the
// load, memory, disk, network and pressure figures of /proc.
//
// # The idea
//
// A board is a list of devices, a device a list of sources, a source one or a
// few files of sysfs or procfs. [Board.Read] does one round: every idle device
// gets a reader goroutine that reads its sources one after another, and the
// round hands on what came in time. Devices do not wait for each other, the
// sources of a device do: a bus carries one conversation at a time.
//
//	Read ──► device 1: file, file, file ──┐
//	    └──► device 2: file, (stuck)      ├──► emit(Reading) … Summary
//	    └──► /proc:    file, file, …    ──┘
//
// # Files that do not answer
//
// A read of a 1-wire sensor takes 750 ms, one of a dead bus never ends, and
// Linux has no way to take such a read back. So:
//
//   - A round waits at most Options.Timeout (and a quarter, for the files behind
//     one that hung). What comes later is handed on by the next round, with the
//     time at which it was read; the device is left alone until then.
//   - A file that is silent for the Timeout is stuck. It keeps its one goroutine,
//     another one goes on behind it, and it is skipped until it returns. A device
//     with two stuck files is left alone as a whole: its bus is dead. At most 8
//     goroutines read at a time besides the one for /proc; stuck ones do not count.
//   - The directories are listed by such a goroutine as well, each device apart.
//   - A file that fails, vanishes or holds nonsense is skipped. Every skip is in
//     the [Summary] with its path and [Reason]; nothing is lost silently.
//
// After [Board.Close] no goroutine is left but those in a read that never returns;
// such a one ends when its file answers.
//
// # Topics
//
//	thermal/<type>                     Cel
//	hwmon/<chip>/<label or channel>    Cel V A W J 1/min %RH
//	iio/<name>/<channel>               Cel %RH Pa V A W J lx m/s2 T rad/s ppm ug/m3 …
//	w1/<id>                            Cel
//	power/<supply>/<what>              V A W C J %EL Cel s, / (online), text (status, health)
//	load/1m load/5m load/15m           no unit
//	memory/total memory/available      B
//	memory/used  cpu/used              /100
//	uptime                             s
//	net/<interface>/rx .../tx          B/s
//	disk/<device>/read .../write       B/s, whole disks
//	disk/root/free  disk/root/used     B, /100
//	pressure/<cpu|memory|io>/<some|full>   /100, mean of the last 10 s
//
// Names come from drivers and device trees, so each is made a valid topic level
// of at most 40 bytes; the second of two equal names gets "-2", in the order of
// the kernel's numbers. Rates are against the round before, hence absent from the
// first.
//
// # Units
//
// Units are SenML's (RFC 8428 section 12.1 and RFC 8798). A percentage is "/100":
// "%" is registered as another name of "/", a ratio from 0 to 1 ("it is however
// NOT a percentage", RFC 8428 table note). "/100", "B/s", "ppm" and "ug/m3" are
// secondary units of RFC 8798. The registry has no angular velocity; gyroscopes
// say "rad/s". A raw iio channel without a scale has no unit.
package sense
