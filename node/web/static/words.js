// The page's texts: English, which is the key, German, Spanish, French, Chinese.
// A text that a row or a column lacks is shown in English.

export const words = [
];
