package sense

import (
	"bytes"
	"math"
	"strconv"
	"time"
)

// maxFile bounds what is read of one file; sysfs attributes have a page at most.
const maxFile = 64 << 10

// reader is what a goroutine reads with.
type reader struct {
	board *Board
	buf   []byte
	at    time.Time // when the last file was read
	out   []Reading // the source's
	skips []Skip    // of parts of the source
}

// file returns what the file under the root holds, up to maxFile and then only
// whole lines. It is valid until the next call.
func (r *reader) file(path string) ([]byte, error) {
	var err error
	var n int
	r.buf, n, err = readFile(path, r.buf, maxFile)
	if err != nil {
		return nil, err
	}
	r.at = r.board.now()
	b := r.buf[:n]
	if n == maxFile {
		b = b[:bytes.LastIndexByte(b, '\n')+1]
	}
	return b, nil
}

// number reads a file that holds one number.
func (r *reader) number(path string) (float64, error) {
	b, err := r.file(path)
	if err != nil {
		return 0, err
	}
	v, ok := parseNumber(bytes.TrimSpace(b))
	if !ok {
		return 0, refusal(Garbage)
	}
	return v, nil
}

// add makes a reading, or refuses a value that cannot be.
func (r *reader) add(topic, unit string, v float64) error {
	// Drivers say -274 °C and the like for "no value".
	if !finite(v) || unit == unitCel && (v < -273.15 || v > 10000) {
		return refusal(Garbage)
	}
	if v == 0 {
		v = 0 // never "-0"
	}
	r.out = append(r.out, Reading{Topic: topic, Unit: unit, Value: v, Time: r.at})
	return nil
}

// parseNumber reads a decimal number, and nothing else that strconv would take.
func parseNumber(b []byte) (float64, bool) {
	if len(b) == 0 || len(b) > 40 {
		return 0, false
	}
	for _, c := range b {
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(string(b), 64)
	return v, err == nil
}

// parseUint reads a counter; false when it is none or beyond 64 bits.
func parseUint(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	v, err := strconv.ParseUint(string(b), 10, 64)
	return v, err == nil
}

// round12 takes off the noise of a multiplication: no sensor has 12 digits.
func round12(v float64) float64 {
	if v == 0 || !finite(v) {
		return v
	}
	digits := 11 - int(math.Floor(math.Log10(math.Abs(v))))
	if digits < 0 || digits > 22 { // 1e22 is the last exact power of ten
		return v
	}
	p := math.Pow10(digits)
	return math.Round(v*p) / p
}

// scale turns the kernel's unit into the registry's: v*mul/div. A division by a
// power of ten is exact where a multiplication by its inverse is not.
type scale struct {
	unit     string
	mul, div float64
}

func (s scale) of(v float64) float64 {
	if s.mul != 1 {
		return round12(v * s.mul / s.div)
	}
	return v / s.div
}

// numberSource is a file with one number.
func numberSource(root, path, topic string, s scale) *source {
	full := root + path
	return &source{path: path, topic: topic, read: func(r *reader) error {
		v, err := r.number(full)
		if err != nil {
			return err
		}
		return r.add(topic, s.unit, s.of(v))
	}}
}

// maxText bounds a text value; the kernel's words are short.
const maxText = 64

// textSource is a file with a word, such as a battery's status.
func textSource(root, path, topic string) *source {
	full := root + path
	last := ""
	return &source{path: path, topic: topic, read: func(r *reader) error {
		b, err := r.file(full)
		if err != nil {
			return err
		}
		b = bytes.TrimSpace(b)
		if len(b) == 0 || len(b) > maxText || !printable(b) {
			return refusal(Garbage)
		}
		if last != string(b) {
			last = string(b)
		}
		r.out = append(r.out, Reading{Topic: topic, Text: last, Time: r.at})
		return nil
	}}
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return true
}

// rawSource is an iio channel: (raw + offset) * scale, in the kernel's unit. The
// scale is read each time, as it changes with the range; offset may be "".
func rawSource(root, raw, offset, factor, topic string, s scale) *source {
	fullRaw, fullFactor, fullOffset := root+raw, root+factor, root+offset
	return &source{path: raw, topic: topic, read: func(r *reader) error {
		v, err := r.number(fullRaw)
		if err != nil {
			return err
		}
		at := r.at
		if offset != "" {
			o, err := r.number(fullOffset)
			if err != nil {
				return err
			}
			v += o
		}
		f, err := r.number(fullFactor)
		if err != nil {
			return err
		}
		r.at = at
		return r.add(topic, s.unit, round12(v*f*s.mul/s.div))
	}}
}

// powerOn is what a DS18B20 holds before its first conversion, in m°C.
const powerOn = 85000

// wireSource is a 1-wire thermometer: a file with m°C, or the older w1_slave.
// 85 °C is believed only where it is near the value before.
func wireSource(root, path, topic string) *source {
	full := root + path
	slave := bytes.HasSuffix([]byte(path), []byte("/w1_slave"))
	last := math.Inf(-1)
	return &source{path: path, topic: topic, read: func(r *reader) error {
		b, err := r.file(full)
		if err != nil {
			return err
		}
		if slave {
			if b, err = slaveTemp(b); err != nil {
				return err
			}
		}
		v, ok := parseNumber(bytes.TrimSpace(b))
		if !ok {
			return refusal(Garbage)
		}
		if v == powerOn && math.Abs(last-v) > 5000 {
			return refusal(PowerOn)
		}
		last = v
		return r.add(topic, unitCel, v/1000)
	}}
}

// slaveTemp finds the m°C in a w1_slave file:
//
//	50 01 4b 46 7f ff 0c 10 e1 : crc=e1 YES
//	50 01 4b 46 7f ff 0c 10 e1 t=21000
func slaveTemp(b []byte) ([]byte, error) {
	first, rest, ok := bytes.Cut(b, []byte("\n"))
	if !ok || !bytes.Contains(first, []byte("crc=")) {
		return nil, refusal(Garbage)
	}
	// A bus shorted to ground reads as zeros, whose CRC is right.
	if !bytes.HasSuffix(bytes.TrimSpace(first), []byte("YES")) ||
		bytes.HasPrefix(first, []byte("00 00 00 00 00 00 00 00 00")) {
		return nil, refusal(BadCRC)
	}
	_, t, ok := bytes.Cut(rest, []byte("t="))
	if !ok {
		return nil, refusal(Garbage)
	}
	return t, nil
}
