// The known word that a misspelt one was probably meant to be.

/** The word of `known` within a third of `word`'s length in edits (at least 1, at most 4); null where none is near. */
export function nearest(word: string, known: Iterable<string>): string | null {
  if (word.length > 64) return null;
  const asked = word.toLowerCase().replaceAll("-", "_");
  const limit = Math.min(4, Math.max(1, Math.floor(asked.length / 3)));
  let best: string | null = null;
  let least = limit + 1;
  for (const candidate of known) {
    const distance = editDistance(asked, candidate);
    if (distance < least) {
      best = candidate;
      least = distance;
    } else if (best === null && asked.length >= 4 && (candidate.startsWith(asked) || asked.startsWith(candidate)))
      best = candidate;
  }
  return best;
}

/** Optimal string alignment: insert, delete, replace, and swap of two neighbours cost 1. */
function editDistance(one: string, other: string): number {
  let before: number[] = [];
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1];
      let least = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1])
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[other.length] ?? one.length;
}
