// `sallyport sessions list|show|events|prune`: their flags, and nothing of what they do (sessions/).

import type { Command } from "commander";
import { duration, sizeOrNone, wholeNumber } from "./flag-values.ts";
import type { EventFlags } from "./sessions/events.ts";
import { type ListFlags, shownByDefault } from "./sessions/list.ts";
import type { PruneFlags } from "./sessions/prune.ts";
import type { ShowFlags } from "./sessions/show.ts";

export function register(program: Command): void {
  const sessions = program.command("sessions").description("list and show what ran");
  sessions
    .command("list")
    .description("list the sessions, newest first")
    .option("--agent <id>", "only this agent's")
    .option("-n, --limit <n>", `only the newest n (${shownByDefault}, where nothing is said)`, wholeNumber)
    .option("--all", "all of them")
    .option("--json", "print a JSON array, of all of them where no limit is given")
    .action(async (flags: ListFlags) => (await import("./sessions/list.ts")).listSessions(flags));
  sessions
    .command("show")
    .description("show what a session was, asked for, and how it ended")
    .argument("<session>", "an id, the beginning of one, or last")
    .option("--tree", "with the runs that its agents spawned, and what each did")
    .option("--json", "print JSON")
    .action(async (session: string, flags: ShowFlags) =>
      (await import("./sessions/show.ts")).showSession(session, flags),
    );
  sessions
    .command("events")
    .description("show a session's log")
    .argument("<session>", "an id (also of a run with --no-session), the beginning of one, or last")
    .option("--type <type>", "only events of this type: action, output, session.ended, …")
    .option("--denied", "only denied actions")
    .option("-f, --follow", "go on with what is added, until the session ends")
    .option("--json", "print the lines of the log as they are")
    .action(async (session: string, flags: EventFlags) =>
      (await import("./sessions/events.ts")).printEvents(session, flags),
    );
  sessions
    .command("prune")
    .description("remove old sessions, with their output and their logs; never a running one")
    .option("--older-than <duration>", "those that ended longer ago: 30d, 2w, 12h", duration)
    .option("--max-size <size>", "the oldest, until all together are no larger: 5GB, 500MiB", sizeOrNone)
    .option("--dry-run", "say what would go, and remove nothing")
    .option("-y, --yes", "do not ask")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nWhat went stays named in the home's log (log/pruned.jsonl). Exit code: 0, or 1 where something could not be removed.\n" +
        "Example: sallyport sessions prune --older-than 30d --max-size 5GB --yes",
    )
    .action(async (flags: PruneFlags) => {
      process.exitCode = await (await import("./sessions/prune.ts")).pruneSessions(flags);
    });
}
