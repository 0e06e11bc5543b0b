// What of a git configuration that an agent wrote may come back to the host. Most keys of git can make it run a program
// (core.fsmonitor, core.sshCommand, core.hooksPath, filter.*, alias.*, …), so only those known to be data are carried over.
// Rules: pure text; what is not understood counts as not harmless; the host's own lines stay byte for byte.

export interface Entry {
  readonly section: string;
  readonly subsection: string | null;
  readonly key: string;
  readonly value: string;
  /** First and last line, counted from 0. */
  readonly lines: readonly [number, number];
}

/**
 * Entries of a configuration (git-config(1), "Syntax"); null when it is not one. `inline`: an entry may stand on its header's
 * line, which git reads and never writes.
 */
export function parseGitConfig(text: string, inline = false): Entry[] | null {
  const lines = text.split("\n");
  const entries: Entry[] = [];
  let section: string | null = null;
  let subsection: string | null = null;
  for (let at = 0; at < lines.length; at++) {
    let rest = (lines[at] ?? "").replace(/\r$/, "").trimStart();
    const header = /^\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]/.exec(rest);
    if (header !== null) {
      const [dotted, ...below] = (header[1] ?? "").split(".");
      section = (dotted ?? "").toLowerCase();
      subsection =
        header[2] !== undefined
          ? header[2].replace(/\\(.)/g, "$1")
          : below.length > 0
            ? below.join(".").toLowerCase()
            : null;
      rest = rest.slice(header[0].length).trimStart();
    }
    if (rest === "" || rest[0] === "#" || rest[0] === ";") continue;
    const pair = /^([A-Za-z][A-Za-z0-9-]*)\s*(=?)\s*(.*)$/s.exec(rest);
    if (pair === null || section === null) return null;
    const first = at;
    let raw = pair[3] ?? "";
    while (/(?:^|[^\\])(?:\\\\)*\\$/.test(raw) && at + 1 < lines.length)
      raw = `${raw.slice(0, -1)}${(lines[++at] ?? "").replace(/\r$/, "")}`;
    const value = pair[2] === "" ? "true" : unquote(raw);
    if (value === null) return null;
    // A header with an entry on its own line cannot be taken out by lines; git never writes one.
    if (header !== null && !inline) return null;
    entries.push({ section, subsection, key: (pair[1] ?? "").toLowerCase(), value, lines: [first, at] });
  }
  return entries;
}

function unquote(raw: string): string | null {
  let value = "";
  let quoted = false;
  let kept = 0;
  for (let at = 0; at < raw.length; at++) {
    const character = raw[at] ?? "";
    if (character === "\\") {
      const escaped = { n: "\n", t: "\t", b: "\b", '"': '"', "\\": "\\" }[raw[++at] ?? ""];
      if (escaped === undefined) return null;
      value += escaped;
    } else if (character === '"') quoted = !quoted;
    else if (!quoted && (character === "#" || character === ";")) break;
    else value += character;
    if (quoted || !/\s/.test(character)) kept = value.length;
  }
  return quoted ? null : value.slice(0, kept);
}

/** Keys that are data to git whatever their value, but for addresses, whose form decides. */
function isHarmless(entry: Entry): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a value with a line break could become another entry
  if (/[\x00-\x1f\x7f]/.test(`${entry.value}${entry.subsection ?? ""}`)) return false;
  const name = `${entry.section}.${entry.key}`;
  if (entry.section === "branch" && entry.subsection !== null) {
    if (entry.key === "remote" || entry.key === "pushremote") return isPlainAddress(entry.value);
    return entry.key === "merge" || entry.key === "rebase" || entry.key === "description";
  }
  if (entry.section === "remote" && entry.subsection !== null) {
    if (entry.key === "url" || entry.key === "pushurl") return isPlainAddress(entry.value);
    return entry.key === "fetch";
  }
  return entry.subsection === null && (name === "user.name" || name === "user.email");
}

/** No remote helper (`ext::sh -c …` runs a program), no option. */
function isPlainAddress(value: string): boolean {
  return value !== "" && !value.startsWith("-") && !/^[A-Za-z0-9+.-]*::/.test(value);
}

/** What `git init` and `git clone` write. */
const ofNewRepository = new Set([
  "core.repositoryformatversion=0",
  "core.repositoryformatversion=1",
  "core.filemode=true",
  "core.filemode=false",
  "core.bare=false",
  "core.logallrefupdates=true",
  "core.ignorecase=true",
  "core.ignorecase=false",
  "core.symlinks=true",
  "core.symlinks=false",
  "extensions.objectformat=sha1",
  "extensions.objectformat=sha256",
  "extensions.refstorage=files",
  "extensions.refstorage=reftable",
]);

export interface CarriedOver {
  /** The host's new text; null when nothing changes. */
  readonly text: string | null;
  /** Full names. */
  readonly carried: readonly string[];
  readonly dropped: readonly string[];
}

/** `before`: what the agent was given; `after`: what it left; `host`: what stands on the host now. */
export function carryOver(before: string, after: string, host: string): CarriedOver {
  const was = parseGitConfig(before) ?? [];
  const is = parseGitConfig(after);
  const kept = parseGitConfig(host);
  if (is === null || kept === null)
    return { text: null, carried: [], dropped: after === before ? [] : ["(not readable as a git configuration)"] };
  const known = new Set(was.map(line));
  const changed = is.filter((entry) => !known.has(line(entry)));
  const left = new Set(is.map(line));
  const missing = was.filter((entry) => !left.has(line(entry)));
  const dropped = [...new Set([...changed, ...missing].filter((entry) => !isHarmless(entry)).map(fullName))];
  const carried = [...new Set([...changed, ...missing].filter(isHarmless).map(fullName))];
  if (carried.length === 0) return { text: null, carried, dropped };
  const lines = host.split("\n");
  // Names that the agent left alone stay as they are now: another run, or the person, may have set them meanwhile.
  const touched = new Set(carried);
  const isTouched = (entry: Entry) => isHarmless(entry) && touched.has(fullName(entry));
  const out = new Set<number>();
  for (const entry of kept) if (isTouched(entry)) for (let at = entry.lines[0]; at <= entry.lines[1]; at++) out.add(at);
  const text = lines
    .filter((_, at) => !out.has(at))
    .join("\n")
    .replace(/\n*$/, "\n");
  return { text: withoutEmptySections(text) + write(is.filter(isTouched)), carried, dropped };
}

/**
 * The configuration of a repository that the agent made: what git itself writes, and what is harmless. `isOwnTree`: true for
 * a `core.worktree` that may stay.
 */
export function filterNew(text: string, isOwnTree: (value: string) => boolean = () => false): CarriedOver {
  const entries = parseGitConfig(text);
  if (entries === null) return { text: "", carried: [], dropped: ["(not readable as a git configuration)"] };
  const good = (entry: Entry) =>
    isHarmless(entry) ||
    (fullName(entry) === "core.worktree" && isOwnTree(entry.value)) ||
    (entry.subsection === null && ofNewRepository.has(`${entry.section}.${entry.key}=${entry.value}`));
  const dropped = [...new Set(entries.filter((entry) => !good(entry)).map(fullName))];
  return { text: dropped.length === 0 ? null : write(entries.filter(good)), carried: [], dropped };
}

function line(entry: Entry): string {
  return `${fullName(entry)}=${entry.value}`;
}

function fullName(entry: Entry): string {
  return entry.subsection === null
    ? `${entry.section}.${entry.key}`
    : `${entry.section}.${entry.subsection}.${entry.key}`;
}

function write(entries: readonly Entry[]): string {
  let text = "";
  let open = "";
  for (const entry of entries) {
    const header =
      entry.subsection === null
        ? `[${entry.section}]`
        : `[${entry.section} "${entry.subsection.replace(/["\\]/g, "\\$&")}"]`;
    if (header !== open) text += `${header}\n`;
    open = header;
    text += `\t${entry.key} = "${entry.value.replace(/["\\]/g, "\\$&")}"\n`;
  }
  return text;
}

/** Headers of harmless sections that have lost all their entries. */
function withoutEmptySections(text: string): string {
  return text.replace(/^[ \t]*\[[ \t]*(?:remote|branch|user)\b[^\]\n]*\][ \t]*\n(?=[ \t]*\[|$(?![\s\S]))/gim, "");
}
