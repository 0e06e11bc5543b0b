// `sallyport __complete -- WORD…`: what may stand at the last of these words (those after `sallyport`; it may be empty). The
// shells' scripts ask it at each Tab, so that what they offer is what this program understands.
//
// Each line is a candidate, then a tab and what it is; the last line tells the shell what else to offer there:
//   :none   :files [EXTENSION…]   :folders   :command N   (complete the words from the Nth on as a command of its own)
//
// Rules: only what the asked command needs is loaded; nothing is made or changed; what cannot be read is not offered.

import type { Argument, Command, Option } from "commander";
import { placeholder } from "./command-table.ts";
import { printable, printLine } from "./output.ts";

export interface Candidate {
  readonly value: string;
  /** A few words beside it; empty where it says everything itself. */
  readonly description: string;
}

export interface Completions {
  readonly candidates: readonly Candidate[];
  readonly directive: string;
}

/** What a placeholder stands for; `free` is text that nobody can know, so nothing is offered. */
export type ValueKind = "free" | "files" | "folders" | "policies" | "command" | ListedKind;
export type ListedKind = "sessions" | "running" | "agents" | "codes" | "events" | "hosts" | "profiles" | "variables";

/** The vocabulary of placeholders. A test sees that no command uses another word. */
export const valueKinds: Readonly<Record<string, ValueKind>> = {
  action: "free",
  cidr: "free",
  code: "codes",
  command: "command",
  count: "free",
  dollars: "free",
  duration: "free",
  file: "files",
  folder: "folders",
  hex: "free",
  "host[:port]": "hosts",
  hosts: "hosts",
  id: "free",
  jti: "free",
  keys: "free",
  n: "free",
  name: "free",
  "name[=value]": "variables",
  path: "files",
  pem: "files",
  policy: "policies",
  "[addr:]port": "free",
  running: "running",
  session: "sessions",
  sessions: "sessions",
  shell: "free",
  size: "free",
  time: "free",
  token: "free",
  type: "events",
  who: "free",
  words: "free",
};

/** Where the same word means another thing: by flag, or by the command whose argument it is. */
const otherKinds: Readonly<Record<string, ValueKind>> = {
  "--agent": "agents",
  "--agent-id": "agents",
  "--profile": "profiles",
  "profile show name": "profiles",
  "attach session": "running",
  "kill sessions": "running",
  "stop sessions": "running",
};

function kindOf(of: Option | Argument, command: Command): ValueKind {
  const word = placeholder(of) ?? "";
  const names: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
  const place = "long" in of ? (of.long ?? "") : [...names, word].join(" ");
  return otherKinds[place] ?? valueKinds[word] ?? "free";
}

const policyExtensions = "toml yaml yml json";

export function register(program: Command, _early: unknown, load: (name?: string) => Promise<Command>): void {
  program
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (words: string[]) => {
      const { listValues } = await import("./completion/values.ts");
      const { candidates, directive } = await complete(words, load, listValues);
      for (const { value, description } of candidates)
        printLine(description === "" ? printable(value) : `${printable(value)}\t${printable(description)}`);
      printLine(`:${directive}`);
    });
}

/** What may stand at the last of `words`. */
export async function complete(
  words: readonly string[],
  load: (name?: string) => Promise<Command>,
  list: (kind: ListedKind) => Promise<readonly Candidate[]>,
): Promise<Completions> {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const asked = before.find((word) => !word.startsWith("-"));
  const program = await load(asked ?? "");
  const place = walk(program, before);
  const offer = async (of: Option | Argument, command: Command, lead = ""): Promise<Completions> => {
    if (of.argChoices !== undefined) return pick(of.argChoices.map(plain), current, lead);
    const kind = kindOf(of, command);
    if (kind === "command") return only(`command ${before.length}`);
    if (kind === "files" || kind === "policies") return only(isPolicy(of) ? `files ${policyExtensions}` : "files");
    if (kind === "folders") return only("folders");
    return kind === "free" ? only("none") : pick(await list(kind), current, lead);
  };
  if (place.kind === "command") return only(`command ${place.at}`);
  if (place.kind === "value") return offer(place.option, place.command);
  const { command, argument, words: wordsOnly } = place;
  const [, lead = "", flag = ""] = wordsOnly ? [] : (/^((--[^=]+)=)/.exec(current) ?? []);
  if (lead !== "") {
    const option = command.options.find((each) => each.long === flag);
    return option === undefined ? only("none") : offer(option, command, lead);
  }
  if (!wordsOnly && current.startsWith("-")) return pick(flagsOf(command), current);
  if (command.commands.length > 0 && place.position === 0) return pick(commandsOf(command), current);
  return argument === null ? only("none") : offer(argument, command);
}

type Place =
  | { readonly kind: "command"; readonly at: number }
  | { readonly kind: "value"; readonly option: Option; readonly command: Command }
  | {
      readonly kind: "word";
      readonly command: Command;
      /** How many positional words stand before it, and what it is; null where the command takes no more. */
      readonly position: number;
      readonly argument: Argument | null;
      /** After `--`, where nothing is a flag. */
      readonly words: boolean;
    };

/** Reads the finished words as the parser would, as far as it matters for the next one. */
function walk(program: Command, words: readonly string[]): Place {
  let command = program;
  let position = 0;
  let ended = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (!ended && word === "--") {
      ended = true;
      continue;
    }
    if (!ended && word.startsWith("-") && word !== "-") {
      const option = takesNext(command, word);
      if (option === null) continue;
      if (at === words.length - 1) return { kind: "value", option, command };
      at += 1;
      continue;
    }
    const below = position === 0 && !ended ? command.commands.find((each) => isNamed(each, word)) : undefined;
    if (below !== undefined) {
      command = below;
      continue;
    }
    if (placeholderKind(command.registeredArguments[position]) === "command") return { kind: "command", at };
    position += 1;
  }
  const last = command.registeredArguments.at(-1);
  const argument = command.registeredArguments[position] ?? (last?.variadic ? last : null);
  return { kind: "word", command, position, argument, words: ended };
}

function placeholderKind(argument: Argument | undefined): ValueKind | null {
  return argument === undefined ? null : (valueKinds[argument.name()] ?? null);
}

/** The option whose value is the word after `word`; null where none is awaited (`--flag`, `--flag=value`, `-n5`). */
function takesNext(command: Command, word: string): Option | null {
  const named = word.startsWith("--") ? word : `-${word.at(-1)}`;
  const option = command.options.find((each) => each.long === named || each.short === named);
  return option?.required === true ? option : null;
}

function isNamed(command: Command, word: string): boolean {
  return command.name() === word || command.aliases().includes(word);
}

function isPolicy(of: Option | Argument): boolean {
  return placeholder(of) === "policy" || ("long" in of && of.long === "--policy");
}

function flagsOf(command: Command): Candidate[] {
  const help = command.createHelp();
  return help
    .visibleOptions(command)
    .flatMap((option) => [option.long, option.short].map((flag) => ({ flag, description: option.description })))
    .flatMap(({ flag, description }) => (typeof flag === "string" ? [{ value: flag, description }] : []));
}

function commandsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((each) => ({ value: each.name(), description: each.summary() || each.description() }));
}

function plain(value: string): Candidate {
  return { value, description: "" };
}

function pick(candidates: readonly Candidate[], current: string, lead = ""): Completions {
  const start = current.slice(lead.length);
  return {
    candidates: candidates
      .filter(({ value }) => value.startsWith(start))
      .map(({ value, description }) => ({ value: lead + value, description })),
    directive: "none",
  };
}

function only(directive: string): Completions {
  return { candidates: [], directive };
}
