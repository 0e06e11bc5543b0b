// `sallyport audit verify SESSION`. Exit codes: 0 intact, 1 broken, 3 cut tail (true as far as it goes, but it stops before
// its end: sallyport was killed, its disk was full, or the session still runs).

import { isAbsolute } from "node:path";
import type { Command } from "commander";
import type { Status } from "#audit/verify/finding.ts";
import { type Verification, verifySession } from "#audit/verify/session.ts";
import { openSession } from "#session/store.ts";
import { openHome } from "./home.ts";
import { printable, printJson, printLine } from "./output.ts";
import { findLog } from "./run/unkept-run.ts";

const exitCodes: { readonly [status in Status]: number } = { intact: 0, broken: 1, cut_tail: 3 };

export function register(program: Command): void {
  const audit = program.command("audit").description("verify a session's log");
  audit
    .command("verify")
    .description("check a session's log, output and metadata against each other (exit 0 intact, 1 broken, 3 cut tail)")
    .argument(
      "<session>",
      "an id (also of a run with --no-session), the beginning of one, last, or a session folder's absolute path",
    )
    .option("--json", "print JSON")
    .action(verify);
  audit
    .command("who")
    .description("show everything that was done under a grant or by a task, and by whom it was handed down to")
    .argument("<jti>", "a token's jti, the label of a task, or a session's id")
    .option("--json", "print the events, one JSON object a line")
    .action(async (text: string, options: { json?: boolean }) => {
      (await import("./audit-who.ts")).auditWho(text, options);
    });
}

function verify(text: string, options: { json?: boolean }): void {
  const { path, running } = locate(text);
  const verification = verifySession(path);
  process.exitCode = exitCodes[verification.status];
  if (options.json) printJson({ ...verification, running });
  else printVerification(verification, running);
}

function locate(text: string): { path: string; running: boolean } {
  // A folder that was copied from another machine needs no home to be checked.
  if (isAbsolute(text)) return { path: text, running: false };
  const home = openHome(process.env);
  const { id, path } = findLog(home, text);
  return { path, running: openSession(home.sessions, id).state === "running" };
}

function printVerification({ status, session, events, head, findings }: Verification, running: boolean): void {
  const line = {
    intact: `intact: ${events} events of session ${session}, nothing changed, missing or added`,
    cut_tail: running
      ? `not ended: session ${session} is still running; its ${events} events so far hold`
      : `cut tail: ${events} events of session ${session} hold, but the log stops before its end`,
    broken: `broken: the log of session ${session} is not as it was written`,
  }[status];
  printLine(printable(line));
  for (const { place, message, code } of findings) printLine(`  ${printable(`${place}: ${message} (${code})`)}`);
  printLine(`head: ${head}`);
}
