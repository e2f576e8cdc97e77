package uplink

import (
	"strings"

	"topicd/codec"
)

const hexDigits = "0123456789ABCDEF"

// escapes: bytes that stand as %XX in a token of a subject: those that mean something
// there, space and control characters.
func escapes(c byte) bool {
	return c <= ' ' || c == 0x7f || c == '.' || c == '*' || c == '>' || c == '%'
}

// AppendSubject appends a topic as a part of a subject: '/' becomes '.', and what
// cannot stand in a token %XX. A level without a byte is % alone: a token has one.
func AppendSubject(b []byte, topic string) []byte {
	for i := range len(topic) {
		switch c := topic[i]; {
		case c == '/':
			if i == 0 || topic[i-1] == '/' {
				b = append(b, '%')
			}
			b = append(b, '.')
		case escapes(c):
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	if topic == "" || topic[len(topic)-1] == '/' {
		b = append(b, '%')
	}
	return b
}

// Topic undoes AppendSubject. ok false: no topic has that subject. Only the form that
// AppendSubject makes is taken, so that two subjects never mean one topic.
func Topic(subject string) (topic string, ok bool) {
	if len(subject) > 3*codec.MaxTopic {
		return "", false
	}
	b := make([]byte, 0, len(subject))
	for i := 0; i < len(subject); i++ {
		switch c := subject[i]; {
		case c == '.':
			if i == 0 || subject[i-1] == '.' {
				return "", false
			}
			b = append(b, '/')
		case c == '%' && (i == 0 || subject[i-1] == '.') && (i+1 == len(subject) || subject[i+1] == '.'): // an empty level
		case c == '%':
			if i+2 >= len(subject) {
				return "", false
			}
			hi, lo := strings.IndexByte(hexDigits, subject[i+1]), strings.IndexByte(hexDigits, subject[i+2])
			if hi < 0 || lo < 0 || !escapes(byte(hi<<4|lo)) {
				return "", false
			}
			b = append(b, byte(hi<<4|lo))
			i += 2
		case escapes(c) || c == '/':
			return "", false
		default:
			b = append(b, c)
		}
	}
	if subject == "" || subject[len(subject)-1] == '.' {
		return "", false
	}
	return string(b), codec.CheckTopic(b) == nil
}

// CheckSite says what is wrong with a site's name, "" if nothing is.
func CheckSite(site string) string {
	if site == "" || len(site) > 64 {
		return "a site's name has 1 to 64 characters"
	}
	for i := range len(site) {
		switch c := site[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return "a site's name is one word of letters, digits, _ and -"
		}
	}
	return ""
}

// Site makes a site's name of a host's name.
func Site(host string) string {
	b := []byte(host)
	for i, c := range b {
		if CheckSite(string(c)) != "" {
			b[i] = '-'
		}
	}
	if len(b) == 0 {
		return "gateway"
	}
	return string(b[:min(len(b), 64)])
}
