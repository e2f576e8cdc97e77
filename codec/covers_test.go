package codec

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		granted, pattern string
		want             bool
	}{
		{"#", "#", true}, {"#", "a", true}, {"#", "+/b/#", true}, {"#", "$sys/#", false}, {"#", "$sys/stats", false},
		{"+/#", "#", true}, {"+", "#", false}, {"a/#", "#", false}, {"a/#", "a", true}, {"a/#", "a/+/c", true},
		{"a/+", "a/b", true}, {"a/+", "a/+", true}, {"a/+", "a/#", false}, {"a/+", "a", false}, {"a/+", "a/b/c", false},
		{"a/+/#", "a/#", false}, {"a/+/#", "a/b/#", true}, {"a/+/#", "a/+", true}, {"a", "+", false}, {"a", "a/#", false},
		{"$sys/#", "$sys/stats", true}, {"$sys/#", "$sys/#", true}, {"$sys/#", "#", false}, {"$sys/#", "+/stats", false},
		{"+/stats", "$sys/stats", false}, {"", "a", false}, {"a", "", false},
	} {
		if got := Covers(c.granted, c.pattern); got != c.want {
			t.Errorf("%q covers %q: %v", c.granted, c.pattern, got)
		}
	}
}

// FuzzCovers holds Covers against Match on every name of a small world.
func FuzzCovers(f *testing.F) {
	f.Add("a/+/#", "a/#")
	f.Add("+/#", "#")
	f.Add("$a/#", "$a")
	words := []string{"a", "b", "$a", "+", "#"}
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		var ws []string
		for range 1 + r.IntN(3) {
			ws = append(ws, words[r.IntN(len(words))])
		}
		return strings.Join(ws, "/")
	}
	for range 2000 {
		f.Add(word(), word())
	}
	// x stands for a word that is in no pattern.
	var names []string
	for _, a := range []string{"a", "b", "x", "$a", "$x"} {
		names = append(names, a)
		for _, b := range []string{"a", "b", "x", "$a"} {
			names = append(names, a+"/"+b)
			for _, c := range []string{"a", "b", "x", "$a"} {
				names = append(names, a+"/"+b+"/"+c)
				for _, d := range []string{"a", "b", "x", "$a"} {
					names = append(names, a+"/"+b+"/"+c+"/"+d)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, granted, pattern string) {
		if CheckPattern([]byte(granted)) != nil || CheckPattern([]byte(pattern)) != nil {
			return
		}
		got := Covers(granted, pattern)
		small := !strings.ContainsFunc(granted+pattern, func(c rune) bool { return !strings.ContainsRune("ab$+#/", c) }) &&
			strings.Count(granted, "/") < 3 && strings.Count(pattern, "/") < 3
		for _, p := range []string{granted, pattern} {
			for _, w := range strings.Split(p, "/") {
				small = small && (w == "a" || w == "b" || w == "$a" || w == "+" || w == "#")
			}
		}
		want := true
		for _, n := range names {
			if Match(pattern, n) && !Match(granted, n) {
				want = false
				if got {
					t.Fatalf("%q covers %q, but not %q", granted, pattern, n)
				}
			}
		}
		if small && got != want {
			t.Errorf("%q covers %q: %v, in a small world %v", granted, pattern, got, want)
		}
	})
}
