// docs/reference/commands.md: every command with its arguments, flags, exit codes and examples.

import { type CommandText, everyCommand, type TermText } from "#cli/command-table.ts";
import { readNotes } from "./notes.ts";

export function commandPage(program: CommandText): string {
  const commands = everyCommand(program).slice(1);
  return [
    "# Commands",
    "",
    "What `sallyport COMMAND --help` prints, on one page. It is made from the definitions that parse the command line by",
    "`npm run reference`; a test sees that it is up to date. The same is in the manual: `man sallyport`, `man sallyport-run`, ….",
    "",
    "With `--json` a command prints one JSON value on stdout, and a failure is one line of JSON on stderr:",
    '`{"error":{"code","message","place","remedy"}}` with a code of [codes.md](codes.md).',
    "",
    "| command | |",
    "|---|---|",
    ...commands.map(({ path, summary }) => `| [\`${path.join(" ")}\`](#${path.join("-")}) | ${escaped(summary)} |`),
    "",
    ...everyCommand(program).flatMap((command) => (command.path.length === 1 ? [] : section(command))),
  ].join("\n");
}

function section(command: CommandText): string[] {
  const { path, usage, description } = command;
  const notes = readNotes(command.notes).flatMap(({ title, text, lines }) => [
    ...(text === "" ? [] : [`${title === null ? "" : `**${title}.** `}${escaped(text)}`, ""]),
    ...(lines.length === 0 ? [] : ["```sh", ...lines, "```", ""]),
  ]);
  return [
    `${"#".repeat(path.length)} ${path.join(" ")}`,
    "",
    "```",
    `${path.join(" ")} ${usage}`.trim(),
    "```",
    "",
    ...(description === "" ? [] : [sentence(escaped(description)), ""]),
    ...table("argument", command.arguments),
    ...table(
      "flag",
      command.options.filter(({ term }) => term !== "-h, --help"),
    ),
    ...notes,
  ];
}

function table(what: string, terms: readonly TermText[]): string[] {
  if (terms.length === 0) return [];
  return [
    `| ${what} | |`,
    "|---|---|",
    ...terms.map(({ term, description }) => `| \`${term.replaceAll("|", "\\|")}\` | ${escaped(description)} |`),
    "",
  ];
}

/** Angle brackets would be taken for HTML, bars for the next cell. */
function escaped(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith("`") ? part : part.replace(/[<>]/g, (c) => (c === "<" ? "&lt;" : "&gt;"))))
    .join("")
    .replaceAll("|", "\\|");
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
