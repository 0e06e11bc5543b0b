// The manual: sallyport(1), and a page for each command with all that is below it, as man(7).

import { type CommandText, everyCommand, type TermText } from "#cli/command-table.ts";
import { readNotes } from "./notes.ts";

/** When the texts that stand here alone were last looked through. */
const revised = "2026-11-21";

/** Each page by its file's name in man/. */
export function manual(program: CommandText, version: string): Map<string, string> {
  const pages = new Map([["sallyport.1", mainPage(program, version)]]);
  for (const command of program.commands) pages.set(`${pageName(command)}.1`, page(command, program, version));
  return pages;
}

function pageName({ path }: CommandText): string {
  return path.slice(0, 2).join("-");
}

function mainPage(program: CommandText, version: string): string {
  return document([
    ...head("sallyport", "closed cells for autonomous agents, with one guarded way out", version),
    ".SH SYNOPSIS",
    ".B sallyport run",
    ".RI [ options ]",
    ".B \\-\\-",
    ".I command",
    ".RI [ argument \\ ...]",
    ".br",
    ".B sallyport",
    ".I command",
    ".RI [ options ]",
    ".SH DESCRIPTION",
    ...paragraph(
      "Runs an unmodified program in a closed cell: it has full power inside, and every connection it makes ends in a boundary, " +
        "is judged by the policy, and leaves an event before its effect leaves the machine. What no rule allows is denied.",
    ),
    ".SH COMMANDS",
    ...program.commands.flatMap((command) => [
      ".TP",
      `.BR ${pageName(command).replaceAll("-", "\\-")} (1)`,
      ...lines(command.summary),
    ]),
    ".SH OPTIONS",
    ...terms(program.options),
    ".SH ENVIRONMENT",
    ...terms([
      {
        term: "SALLYPORT_HOME",
        description: "Where sessions, keys and the private homes of agents are; an absolute path.",
      },
      { term: "NO_COLOR", description: "Nothing is coloured." },
    ]),
    ".SH FILES",
    ...terms([
      { term: "~/.sallyport", description: "The home, unless SALLYPORT_HOME names another; mode 0700." },
      { term: "~/.sallyport/policy.toml", description: "The policy that holds where no other is named or found." },
      {
        term: "~/.sallyport/sessions/ID",
        description: "The record of a run: session.json, events.jsonl, stdout.log, stderr.log.",
      },
      {
        term: "/etc/sallyport/policy.toml, policy.yaml",
        description: "The machine's ceiling: always intersected with what else holds.",
      },
    ]),
    ".SH EXIT STATUS",
    ...paragraph(
      "run gives the command's own, or 128 and the number of the signal that ended it; 125 where sallyport could not run it, 126 and " +
        "127 as a shell does, 120 to 124 where sallyport ended it. sallyport explain-code says what each code means.",
    ),
    ...seeAlso(program, null),
  ]);
}

function page(command: CommandText, program: CommandText, version: string): string {
  const below = everyCommand(command).slice(1);
  return document([
    ...head(pageName(command), command.summary, version),
    ".SH SYNOPSIS",
    ...(below.length === 0 ? [command] : below.filter(({ commands }) => commands.length === 0)).flatMap(
      ({ path, usage }, at) => [...(at === 0 ? [] : [".br"]), `.B ${text(path.join(" "))}`, text(usage)],
    ),
    ".SH DESCRIPTION",
    ...paragraph(sentence(command.description)),
    ...body(command, ".SH"),
    ...below.flatMap((each) => [
      `.SH ${text(each.path.slice(1).join(" ")).toUpperCase()}`,
      ...paragraph(sentence(each.description)),
      ...body(each, ".SS"),
    ]),
    ...seeAlso(program, command),
  ]);
}

/** Arguments, flags and notes, each under a heading of this level. */
function body(command: CommandText, level: ".SH" | ".SS"): string[] {
  const heading = (title: string) => `${level} ${level === ".SH" ? title.toUpperCase() : title}`;
  const options = command.options.filter(({ term }) => term !== "-h, --help");
  return [
    ...(command.arguments.length === 0 ? [] : [heading("Arguments"), ...terms(command.arguments)]),
    ...(options.length === 0 ? [] : [heading("Options"), ...terms(options)]),
    ...readNotes(command.notes).flatMap(({ title, text: words, lines: shown }) => [
      heading(title === "Exit code" ? "Exit status" : (title ?? "Notes")),
      ...(words === "" ? [] : paragraph(words)),
      ...(shown.length === 0 ? [] : [".PP", ".nf", ...shown.map(text), ".fi"]),
    ]),
  ];
}

function head(name: string, summary: string, version: string): string[] {
  return [
    '.\\" Made by npm run reference from the definitions of the commands.',
    `.TH ${name.toUpperCase().replaceAll("-", "\\-")} 1 ${revised} "sallyport ${version}" "User Commands"`,
    // Ragged: words such as --max-output-bytes leave holes otherwise.
    ".ad l",
    ".SH NAME",
    ...lines(`${name} - ${summary}`),
  ];
}

/** A command's page points to the main one alone, so that a new command changes no other page. */
function seeAlso(program: CommandText, self: CommandText | null): string[] {
  const names = self === null ? program.commands.map(pageName) : ["sallyport"];
  return [
    ".SH SEE ALSO",
    ...names.map((name, at) => `.BR ${name.replaceAll("-", "\\-")} (1)${at === names.length - 1 ? "" : ","}`),
  ];
}

function terms(all: readonly TermText[]): string[] {
  return all.flatMap(({ term, description }) => [".TP", `.B ${text(term)}`, ...lines(description)]);
}

function paragraph(words: string): string[] {
  return words === "" ? [] : [".PP", ...lines(words)];
}

function sentence(words: string): string {
  return words === "" ? "" : `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;
}

/** Running text: each sentence begins a line, and no line is longer than an editor shows. */
function lines(words: string): string[] {
  return words.split(/(?<=[.!?]) (?=[A-Z])/).flatMap((sentence) => {
    const wrapped: string[] = [];
    for (const word of sentence.split(" ")) {
      const last = wrapped.at(-1);
      if (last !== undefined && text(`${last} ${word}`).length <= 78) wrapped[wrapped.length - 1] = `${last} ${word}`;
      else wrapped.push(word);
    }
    return wrapped.map(text);
  });
}

/** No character of it is taken for a request, an escape or a ligature. */
function text(words: string): string {
  return words
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("`", "\\(ga")
    .replaceAll("'", "\\(aq")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti")
    .replaceAll("…", "...")
    .replace(/^\./, "\\&.");
}

function document(lines: readonly string[]): string {
  // Nothing may stand directly below a heading but text; an empty paragraph there is a mistake to the linters.
  return `${lines.join("\n")}\n`
    .replace(/(\n\.S[HS] [^\n]*)\n\.PP(?=\n(?!\.nf))/g, "$1")
    .replace(/(\n\.S[HS] [^\n]*)\n\.PP\n\.nf/g, "$1\n.nf");
}
