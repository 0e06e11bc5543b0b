// Request paths in the one form that rules are matched on. The query is never part of it.
// Rules: percent-encoded unreserved characters (RFC 3986 §2.3) are decoded, other escapes keep upper-case digits; nothing
// else is changed. Servers disagree about the rest (dot segments, `//`, `;`, backslashes, encoded slashes, escapes of
// escapes, bytes that are no UTF-8), so such a path has no normal form: a rule that names a path does not match it.
// The raw text is the agent's.

/** True where two servers could read this request target's path differently. The query is not looked at. */
export function isAmbiguousPath(target: string): boolean {
  return normalPath(target) === null;
}

/** The path of a request target in normal form, without its query; null where it is ambiguous or no absolute path. */
export function normalPath(target: string): string | null {
  if (target.charCodeAt(0) !== 47 /* / */) return null;
  let end = target.length;
  let escaped = false;
  let segment = 1; // where the current segment begins
  for (let i = 1; i < end; i++) {
    const code = target.charCodeAt(i);
    if (code === 63 /* ? */) {
      end = i;
      break;
    }
    if (code === 47) {
      if (i === segment || isDots(target, segment, i)) return null;
      segment = i + 1;
    } else if (code === 37 /* % */) escaped = true;
    else if (code <= 32 || code >= 127 || code === 92 /* \ */ || code === 35 /* # */ || code === 59 /* ; */)
      return null;
  }
  if (target.indexOf("#", end) >= 0 || isDots(target, segment, end)) return null;
  const path = end === target.length ? target : target.slice(0, end);
  return escaped ? unescaped(path) : path;
}

function isDots(text: string, start: number, end: number): boolean {
  const length = end - start;
  return (length === 1 || length === 2) && text.charCodeAt(start) === 46 && text.charCodeAt(end - 1) === 46;
}

/** The path with each escape in normal form; null where one is malformed, hides a delimiter, or makes no UTF-8. */
function unescaped(path: string): string | null {
  let out = "";
  let from = 0;
  for (let at = path.indexOf("%"); at >= 0; at = path.indexOf("%", at + 3)) {
    const digits = path.slice(at + 1, at + 3);
    if (!/^[0-9a-fA-F]{2}$/.test(digits)) return null;
    const code = Number.parseInt(digits, 16);
    if (code < 32 || code === 127 || hidden.has(code)) return null;
    out += path.slice(from, at) + (isUnreserved(code) ? String.fromCharCode(code) : `%${digits.toUpperCase()}`);
    from = at + 3;
  }
  out += path.slice(from);
  try {
    decodeURIComponent(out);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
  return out.split("/").some((segment) => segment === "." || segment === "..") ? null : out;
}

/** Escaped, these are read as the delimiter itself by some servers: `#` `%` `/` `;` `?` `\`. */
const hidden: ReadonlySet<number> = new Set([35, 37, 47, 59, 63, 92]);

function isUnreserved(code: number): boolean {
  const lower = code | 32;
  if (lower >= 97 && lower <= 122) return code >= 65;
  return (code >= 48 && code <= 57) || code === 45 || code === 46 || code === 95 || code === 126;
}
