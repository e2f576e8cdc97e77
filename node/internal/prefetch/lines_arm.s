#include "textflag.h"

// func Lines(p unsafe.Pointer)
TEXT ·Lines(SB), NOSPLIT, $0-4
	MOVW p+0(FP), R0
	PLD (R0)
	PLD 64(R0)
	RET
