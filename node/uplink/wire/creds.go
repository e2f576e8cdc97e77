package wire

import (
	"crypto/ed25519"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// Creds are a user's token, which an account has signed, and the key that proves who
// has it.
type Creds struct {
	JWT string
	key ed25519.PrivateKey
}

// ParseCreds reads a credentials file as nsc writes it.
func ParseCreds(text string) (*Creds, error) {
	jwt, rest, ok := section(text, "NATS USER JWT")
	if !ok {
		return nil, errors.New("no NATS USER JWT in it")
	}
	seed, _, ok := section(rest, "USER NKEY SEED")
	if !ok {
		return nil, errors.New("no USER NKEY SEED in it")
	}
	key, err := ParseSeed(seed)
	if err != nil {
		return nil, err
	}
	return &Creds{jwt, key}, nil
}

// section is what stands between two lines of dashes, the first with that title.
func section(text, title string) (body, rest string, ok bool) {
	_, text, ok = strings.Cut(text, "BEGIN "+title)
	if !ok {
		return "", "", false
	}
	_, text, ok = strings.Cut(text, "\n")
	body, rest, ok2 := strings.Cut(text, "\n-")
	return strings.TrimSpace(body), rest, ok && ok2
}

// ParseSeed reads a user's seed: base32 of two bytes that say what it is, 32 bytes
// and a CRC-16.
func ParseSeed(seed string) (ed25519.PrivateKey, error) {
	bad := errors.New("the seed in it is not whole")
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(seed)
	if err != nil || len(b) != 2+ed25519.SeedSize+2 {
		return nil, bad
	}
	n := len(b) - 2
	if crc16(b[:n]) != binary.LittleEndian.Uint16(b[n:]) {
		return nil, bad
	}
	const isSeed, user = 18 << 3, 20 << 3
	if b[0]&0xf8 != isSeed || b[0]<<5|b[1]>>3 != user {
		return nil, errors.New("the seed in it is no user's")
	}
	return ed25519.NewKeyFromSeed(b[2:n]), nil
}

// sign answers a server's nonce.
func (c *Creds) sign(nonce string) string {
	return base64.RawURLEncoding.EncodeToString(ed25519.Sign(c.key, []byte(nonce)))
}

// crc16 is CRC-16/XMODEM.
func crc16(b []byte) (crc uint16) {
	for _, c := range b {
		crc ^= uint16(c) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
