// What stands below a command's help, as paragraphs and examples, for pages that set each its own way.

export interface Note {
  /** `Exit code`, `Examples`; null for a paragraph of its own. */
  readonly title: string | null;
  readonly text: string;
  /** Lines to be shown as they are, without their indentation. */
  readonly lines: readonly string[];
}

/** `Exit code: the command's own, …` is a titled paragraph; `Examples:` with indented lines below is titled lines. */
export function readNotes(notes: string): Note[] {
  const found: { title: string | null; text: string; lines: string[] }[] = [];
  let open = false;
  for (const line of notes.split("\n")) {
    const titled = /^([A-Z][A-Za-z ]{2,20}):(?: (.*))?$/.exec(line);
    const last = found.at(-1);
    if (line.trim() === "") open = false;
    else if (titled !== null) {
      found.push({ title: titled[1] ?? "", text: titled[2] ?? "", lines: [] });
      open = true;
    } else if (/^ {2}/.test(line) && last !== undefined && open) last.lines.push(line.slice(2));
    else if (open && last !== undefined) last.text = `${last.text} ${line}`.trim();
    else {
      found.push({ title: null, text: line, lines: [] });
      open = true;
    }
  }
  return found;
}
