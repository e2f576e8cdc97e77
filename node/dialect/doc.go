// Package dialect is what is spoken on a socket, one file each, over the one
// core. A dialect decodes a frame, asks the hub, and answers in its own words;
// it knows neither the transport nor the other dialects.
package dialect
