// Sizes and durations as people write them. Sizes: `50MB` is 50·10⁶ bytes, `50MiB` is 50·2²⁰; durations: `300`, `300s`, `5m`, `2w`.

const sizeFactors: { readonly [unit: string]: number } = {
  "": 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};
const durationFactors: { readonly [unit: string]: number } = { "": 1, s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

/** Whole bytes, at least 1; null where the text is no size. */
export function parseSize(text: string): number | null {
  return scaled(text, /^(\d+(?:\.\d+)?) ?([kmgt]?i?b|)$/i, (unit) => sizeFactors[unit.toUpperCase()]);
}

/** Whole seconds, at least 1; null where the text is no duration. */
export function parseDuration(text: string): number | null {
  return scaled(text, /^(\d+(?:\.\d+)?) ?([smhdw]?)$/, (unit) => durationFactors[unit]);
}

function scaled(text: string, form: RegExp, factorOf: (unit: string) => number | undefined): number | null {
  const match = text.length <= 32 ? form.exec(text) : null;
  if (match === null) return null;
  const factor = factorOf(match[2] ?? "");
  if (factor === undefined) return null;
  const value = Number(match[1]) * factor;
  return Number.isSafeInteger(value) && value >= 1 ? value : null;
}
