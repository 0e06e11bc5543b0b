// What changed between two texts of a policy, at a glance: `allow + "b.example" - "a.example"` where a key has other values,
// whole lines otherwise. Comments, blank lines and the order of lines do not count.

/** One text a change; empty where only comments and spaces differ. */
export function changedLines(before: string, after: string): string[] {
  const [old, now] = [lines(before), lines(after)];
  const removed = without(old, now);
  const changes: string[] = [];
  for (const line of without(now, old)) {
    const key = keyOf(line);
    const at = key === null ? -1 : removed.findIndex((other) => keyOf(other) === key);
    const [other] = at < 0 ? [] : removed.splice(at, 1);
    changes.push(other === undefined ? `+ ${line}` : `${key} ${wordChange(other, line)}`);
  }
  return [...changes, ...removed.map((line) => `- ${line}`)];
}

function lines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

function keyOf(line: string): string | null {
  return /^([\w.-]+)\s*[=:]/.exec(line)?.[1] ?? null;
}

function wordChange(before: string, after: string): string {
  const words = (line: string) => line.replace(/^[\w.-]+\s*[=:]/, "").match(/"[^"]*"|'[^']*'|[^\s,[\]{}]+/g) ?? [];
  const [old, now] = [words(before), words(after)];
  return [...without(now, old).map((word) => `+ ${word}`), ...without(old, now).map((word) => `- ${word}`)].join(" ");
}

/** The entries that `others` has not, or not so often. */
function without(entries: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const other of others) left.set(other, (left.get(other) ?? 0) + 1);
  return entries.filter((entry) => {
    const count = left.get(entry) ?? 0;
    left.set(entry, count - 1);
    return count <= 0;
  });
}
