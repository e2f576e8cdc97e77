// Package codec turns frames into Messages and back: JSON in text frames, CBOR in binary ones, one grammar.
package codec
