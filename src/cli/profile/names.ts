// Which profile a command means: a cheap look at names, on the way of every run. No profile is read here (source.ts).
// Rules: a program inside the workspace is never known by its name: an earlier run may have written it, and a profile hands keys
// over; a wrapper is told by --profile.

import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { isWithin } from "#lib/file-path.ts";
import { findProgram } from "#sandbox/program.ts";

/** What the shipped profiles say under `program` and `package`; a test holds them together. */
export const shippedPrograms: { readonly [program: string]: string } = {
  claude: "claude",
  codex: "codex",
  gemini: "gemini",
  opencode: "opencode",
  aider: "aider",
};

export const shippedPackages: { readonly [name: string]: string } = {
  "@anthropic-ai/claude-code": "claude",
  "@openai/codex": "codex",
  "@google/gemini-cli": "gemini",
  "opencode-ai": "opencode",
};

export interface ProfileQuestion {
  readonly command: readonly string[];
  /** `--profile NAME`; false for `--no-profile`. */
  readonly asked: string | false | undefined;
  readonly home: string;
  readonly workspace: string;
  readonly path: string;
}

/** The name of the profile, or null where none is meant. */
export function profileNameOf({ command, asked, home, workspace, path }: ProfileQuestion): string | null {
  if (asked !== undefined) return asked === false ? null : asked;
  const own = ownProfiles(home);
  const typed = command[0] ?? "";
  const file = findProgram(typed.includes("/") && !typed.startsWith("/") ? join(workspace, typed) : typed, path);
  if (file === null) return null;
  const real = realpathSync(file);
  if (isWithin(file, workspace) || isWithin(real, workspace)) return null;
  for (const program of [basename(typed), withoutExtension(basename(real))]) {
    if (own.includes(program)) return program;
    const named = Object.hasOwn(shippedPrograms, program) ? shippedPrograms[program] : ownNaming(program, own, home);
    if (named !== undefined) return named;
  }
  const inside = real.split("/node_modules/").at(-1)?.split("/") ?? [];
  const name = inside[0]?.startsWith("@") ? `${inside[0]}/${inside[1]}` : (inside[0] ?? "");
  // Builds for one platform are packages of their own: NAME-linux-x64.
  const found = Object.keys(shippedPackages).find((one) => name === one || name.startsWith(`${one}-linux-`));
  return found === undefined || !real.includes("/node_modules/") ? null : (shippedPackages[found] ?? null);
}

/** The folder of the user's own profiles. */
export function ownFolder(home: string): string {
  return join(home, "profiles");
}

/** Names of the user's own profiles; each is also a program's name. */
export function ownProfiles(home: string): readonly string[] {
  const folder = ownFolder(home);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".toml"))
    .map((file) => file.slice(0, -".toml".length));
}

/** A profile of the user's own whose `program` may name this one: only the text is looked at, and it is read for good later. */
function ownNaming(program: string, own: readonly string[], home: string): string | undefined {
  const line = /^\s*program\s*=\s*\[([^\]]*)\]/m;
  return own.find((name) => {
    const text = readFileSync(join(ownFolder(home), `${name}.toml`), "utf8");
    return (line.exec(text)?.[1] ?? "").split(",").some((word) => /^\s*["'](.*)["']\s*$/.exec(word)?.[1] === program);
  });
}

function withoutExtension(name: string): string {
  return name.replace(/\.(exe|[cm]?js)$/, "");
}
