package show

import (
	"strings"

	"rsc.io/qr"
)

// QR writes a QR code (ISO 18004) for a terminal, two rows a line.
func QR(text string) string {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return ""
	}
	const quiet = 2 // modules of margin: phones manage with less than the standard's 4
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString("  ")
		for x := -quiet; x < code.Size+quiet; x++ {
			// Light modules are drawn: terminals are dark.
			switch top, low := !code.Black(x, y), !code.Black(x, y+1); {
			case top && low:
				b.WriteString("█")
			case top:
				b.WriteString("▀")
			case low:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}
