// Which folders a repository's index names as repositories of their own (gitlinks: submodules): git on the host goes into them.
// The index is the agent's to write. Format: gitformat-index(5), versions 2 to 4; what does not parse names nothing, and git
// refuses it too.

const modeLink = 0o160000;
const extended = 0x4000;
const lengthMask = 0xfff;

export interface IndexLinks {
  /** Relative to the work tree, in the order of the index; never absolute, never with `..` or `.git` in it. */
  readonly paths: readonly string[];
  /** The other half of a split index: hex, the name of `sharedindex.<hex>`; null without one. */
  readonly shared: string | null;
}

/** Null when these bytes are no index. Names are bounded to `most`. */
export function parseIndexLinks(bytes: Buffer, most = 4096): IndexLinks | null {
  return parse(bytes, 20, most) ?? parse(bytes, 32, most);
}

function parse(bytes: Buffer, hash: 20 | 32, most: number): IndexLinks | null {
  if (bytes.length < 12 + hash || bytes.toString("latin1", 0, 4) !== "DIRC") return null;
  const version = bytes.readUInt32BE(4);
  if (version < 2 || version > 4) return null;
  const end = bytes.length - hash;
  const paths: string[] = [];
  let previous: Buffer = Buffer.alloc(0);
  let at = 12;
  for (let left = bytes.readUInt32BE(8); left > 0; left--) {
    const start = at;
    if (start + 42 + hash > end) return null;
    const mode = bytes.readUInt32BE(start + 24);
    const flags = bytes.readUInt16BE(start + 40 + hash);
    at = start + 42 + hash + ((flags & extended) !== 0 ? 2 : 0);
    if ((flags & extended) !== 0 && version < 3) return null;
    let kept = 0;
    if (version === 4) {
      const strip = variable(bytes, at, end);
      if (strip === null || strip.value > previous.length) return null;
      kept = previous.length - strip.value;
      at = strip.next;
    }
    const stop = bytes.indexOf(0, at);
    if (stop < 0 || stop >= end) return null;
    const isLink = (mode & 0o170000) === modeLink;
    if (version === 4) previous = Buffer.concat([previous.subarray(0, kept), bytes.subarray(at, stop)]);
    const length = version === 4 ? previous.length : stop - at;
    if (Math.min(length, lengthMask) !== (flags & lengthMask)) return null;
    if (isLink) {
      const name = version === 4 ? previous.toString("utf8") : bytes.toString("utf8", at, stop);
      if (isBelow(name) && paths.length < most) paths.push(name);
    }
    at = version === 4 ? stop + 1 : start + Math.ceil((stop + 1 - start) / 8) * 8;
    if (at > end) return null;
  }
  return { paths, shared: sharedHalf(bytes, at, end, hash) };
}

function variable(bytes: Buffer, start: number, end: number): { value: number; next: number } | null {
  let value = 0;
  for (let at = start; at < end && at < start + 5; at++) {
    const byte = bytes[at] ?? 0;
    value = at === start ? byte & 0x7f : ((value + 1) << 7) | (byte & 0x7f);
    if ((byte & 0x80) === 0) return { value, next: at + 1 };
  }
  return null;
}

function sharedHalf(bytes: Buffer, from: number, end: number, hash: number): string | null {
  for (let at = from; at + 8 <= end; ) {
    const size = bytes.readUInt32BE(at + 4);
    if (bytes.toString("latin1", at, at + 4) === "link")
      return size >= hash && at + 8 + hash <= end ? bytes.toString("hex", at + 8, at + 8 + hash) : null;
    at += 8 + size;
  }
  return null;
}

/** git itself refuses the others. */
export function isBelow(path: string): boolean {
  return (
    path !== "" &&
    !path.includes("\0") &&
    path.split("/").every((name) => !["", ".", ".."].includes(name) && name.toLowerCase() !== ".git")
  );
}
