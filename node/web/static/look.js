// The colours of plots, which a canvas does not take from the style sheets.

const palettes = {
  dark: ["#4fd1b0", "#7cb7ff", "#f2b45c", "#f08aa8", "#b59cff", "#9bd86f", "#5cc9e6", "#e8976d"],
  light: ["#0b7560", "#1d5fb8", "#a35f00", "#b3345c", "#6a45c4", "#3f7a1d", "#0a7489", "#a24a22"],
};

const looks = {
  dark: { ink: "#9aa4ae", grid: "#232a32", bad: "#ff8a80", back: "#0e1114", text: "#e8ebee" },
  light: { ink: "#51605b", grid: "#e6eae8", bad: "#b3261e", back: "#ffffff", text: "#15201d" },
};

/** colourOf is the colour of the i-th line. */
export const colourOf = (i, dark) => palettes[dark ? "dark" : "light"][i % 8];

/** look is what is around the lines. */
export const look = (dark) => looks[dark ? "dark" : "light"];
