// `sallyport uninstall`: lists everything that sallyport put on this machine, asks, and removes it. The package itself is npm's to
// remove, and the last line says how.
// Rules: of a home only what sallyport keeps there goes, so a mistaken SALLYPORT_HOME costs nobody a folder; links are not
// followed; a run that goes on is not robbed of its record unless --force ends it first.

import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { Failure } from "#core/failure.ts";
import { measureTree, removeTree } from "#lib/file-tree.ts";
import { madeRepairs, repairsFile, undoRepairs } from "#sandbox/repair/repairs.ts";
import { ask } from "./ask.ts";
import { installedCompletions } from "./completion.ts";
import { homePath } from "./home.ts";
import { inspectHome, isOurs } from "./home-format.ts";
import { launcherPath } from "./launcher.ts";
import { failureRecord, printable, printJson, printLine, printTable } from "./output.ts";
import { sizeText } from "./sessions/view.ts";

interface UninstallFlags {
  readonly yes?: boolean;
  readonly keepSessions?: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Something that is there because of sallyport. */
interface Item {
  readonly path: string;
  readonly what: string;
  readonly bytes: number;
  readonly files: number;
  /** True where only root may take it away. */
  readonly root: boolean;
}

/** What the record of past runs is made of. */
const records = ["sessions", "log"];

export function register(program: Command): void {
  program
    .command("uninstall")
    .summary("list and remove what sallyport put on this machine")
    .description(
      "Lists what sallyport put on this machine for this user: its home with sessions and keys, its cache, completion scripts, and " +
        "what doctor --fix changed. Asks, removes it, and says how to remove the package itself.",
    )
    .option("-y, --yes", "remove it without asking")
    .option("--dry-run", "list it, and remove nothing")
    .option("--keep-sessions", "leave the sessions and the home's log where they are")
    .option("--force", "end what runs first; without it a running session is a reason to stop")
    .option("--json", "print JSON; removes only with --yes")
    .addHelpText("after", "\nExit code: 0 all was removed, 1 something is left, 125 nothing was touched.")
    .action(async (flags: UninstallFlags) => {
      process.exitCode = await uninstall(flags);
    });
}

async function uninstall(flags: UninstallFlags): Promise<number> {
  const home = homePath(process.env);
  const items = [...homeItems(home, flags.keepSessions === true), ...otherItems(home), ...machineItems()];
  const act = flags.dryRun !== true && (flags.yes === true || !flags.json);
  if (!flags.json) printItems(items);
  if (act && items.length > 0) {
    await endRuns(join(home, "sessions"), flags.force === true);
    if (!flags.yes && !(await ask("Remove this?"))) {
      printLine("Nothing was removed.");
      return 0;
    }
  }
  const { removed, left } = act ? removeAll(items) : { removed: [], left: [] };
  if (act) left.push(...leftInHome(home, flags.keepSessions === true));
  const next = packageRemoval();
  if (flags.json) printJson({ items, removed, left, next });
  else {
    for (const line of left) printLine(printable(line));
    if (act && items.length > 0) printLine(`Removed ${removed.length} of ${items.length}.`);
    if (existsSync("/etc/sallyport")) printLine("/etc/sallyport is the machine's own policy, and was left.");
    printLine(`The program itself goes with: ${next}`);
  }
  return act && removed.length < items.length ? 1 : 0;
}

/** A folder that is no home of this user's has nothing of ours in it. */
function homeItems(home: string, keepSessions: boolean): Item[] {
  if (inspectHome(home).state === "absent") return [];
  const named: Readonly<Record<string, string>> = {
    sessions: "what ran: output, events, terminations",
    log: "the home's own log",
    keys: "the authority that cells trust, the keys that sign tokens and alerts",
    agents: "the private homes of agents",
    policies: "copies of policies that held",
    "policy.toml": "your default policy",
    alerts: "alerts that wait",
    bundles: "the signed bundle in force",
    profiles: "profiles of your own",
    revoked: "what was taken back",
    running: "what runs now",
    secrets: "credentials to lend",
    trusted: "your word for projects' policies",
    version: "the format of this folder",
  };
  return readdirSync(home)
    .filter((name) => isOurs(name))
    .filter((name) => !keepSessions || !(records.includes(name) || name === "version"))
    .map((name) => item(join(home, name), named[name] ?? "the home"))
    .filter(({ files, path }) => files > 0 || !keepSessions || existsSync(path));
}

/** What the homes of this user share stays as long as the user's own home does. */
function otherItems(home: string): Item[] {
  const own = homePath({ ...process.env, SALLYPORT_HOME: undefined });
  if (home !== own && existsSync(own)) return [];
  const cache = join(process.env.XDG_CACHE_HOME || join(process.env.HOME || homedir(), ".cache"), "sallyport");
  return [
    ...(existsSync(cache) ? [item(cache, "compiled code, to start faster")] : []),
    ...installedCompletions(process.env).map((file) => item(file, "completion in a shell")),
  ];
}

function machineItems(): Item[] {
  const repairs = madeRepairs();
  const files = repairs.flatMap(({ id, steps }) =>
    steps.filter((step) => step.kind === "file").map(({ path }) => item(path, `made by doctor --fix (${id})`)),
  );
  const record = repairs.length === 0 ? [] : [item(repairsFile, "what doctor --fix did")];
  return [...files, ...record].map((each) => ({ ...each, root: true }));
}

function item(path: string, what: string): Item {
  return { path, what, ...measureTree(path), root: false };
}

function printItems(items: readonly Item[]): void {
  if (items.length === 0) {
    printLine("Nothing of sallyport's is here.");
    return;
  }
  printTable([
    ["PATH", "FILES", "SIZE", "WHAT"],
    ...items.map(({ path, files, bytes, what }) => [path, String(files), sizeText(bytes), what]),
  ]);
}

/** @throws Failure home_busy while a session runs, and where one does not end when it is told to. */
async function endRuns(sessions: string, force: boolean): Promise<void> {
  if (!existsSync(sessions)) return;
  const [{ runningSessions }, { killRun }] = await Promise.all([import("./run/running.ts"), import("./stop.ts")]);
  const running = await runningSessions({ sessions, log: join(dirname(sessions), "log") });
  if (running.length === 0) return;
  if (!force)
    throw new Failure(
      "home_busy",
      `${running.length === 1 ? "a session is" : `${running.length} sessions are`} running`,
      {
        place: running.map(({ folder }) => folder.id).join(" "),
        remedy: "End it with sallyport stop --all, or say --force.",
      },
    );
  for (const session of running) await killRun(sessions, session);
}

function removeAll(items: readonly Item[]): { removed: string[]; left: string[] } {
  const [removed, left]: [string[], string[]] = [[], []];
  for (const { path } of items.filter(({ root }) => !root)) {
    try {
      removeTree(path);
      removed.push(path);
    } catch (error) {
      left.push(`${path} could not be removed: ${failureRecord(error).message}.`);
    }
  }
  const onMachine = items.filter(({ root }) => root);
  if (onMachine.length === 0) return { removed, left };
  if (process.geteuid?.() !== 0) {
    left.push(`Changed for the whole machine, and root's to take back: sudo ${launcherPath()} uninstall`);
    return { removed, left };
  }
  left.push(...undoRepairs());
  for (const { path } of onMachine) (existsSync(path) ? left : removed).push(path);
  return { removed, left };
}

/** Removes the empty home; what else is in it is not ours. */
function leftInHome(home: string, keepSessions: boolean): string[] {
  if (!existsSync(home)) return [];
  const others = readdirSync(home).filter((name) => !isOurs(name));
  if (readdirSync(home).length === 0) rmdirSync(home);
  return others.length === 0 || keepSessions ? [] : [`${home} was left for what else is in it: ${others.join(", ")}.`];
}

/** How this very installation is taken away; a checkout is a folder. */
function packageRemoval(): string {
  const root = dirname(dirname(launcherPath()));
  if (!root.includes("/node_modules/")) return `removing your own checkout, ${root}, once nothing in it is needed`;
  if (root.endsWith("/lib/node_modules/sallyport")) return "npm uninstall --global sallyport";
  return `npm uninstall --prefix ${dirname(dirname(root))} sallyport`;
}
