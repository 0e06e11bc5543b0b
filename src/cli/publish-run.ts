// `sallyport publish SESSION PORT…`: shows more ports of a run that is there to this machine, as `run --publish` does from its
// beginning. They are there until the run ends.

import type { Command } from "commander";
import { Failure } from "#core/failure.ts";
import { NoAnswer } from "#supervisor/control/client.ts";
import { openHome } from "./home.ts";
import { printJson, printLine } from "./output.ts";
import { checkPublish } from "./run/publish.ts";
import { findRunning, refusable, unreachable } from "./run/running.ts";

export function register(program: Command): void {
  program
    .command("publish")
    .description("show ports of a run's cell to this machine, until the run ends")
    .argument("<running>", "an id, the beginning of one, or last")
    .argument("<[addr:]port...>", "[ADDR:]PORT, or HOST:CELL, as run --publish takes them")
    .option("--json", "print a JSON array")
    .addHelpText("after", "\nExample: sallyport publish last 3000\n")
    .action(publish);
}

async function publish(text: string, ports: readonly string[], flags: { json?: boolean }): Promise<void> {
  checkPublish(ports);
  const session = await findRunning(openHome(process.env), text);
  const opened: object[] = [];
  try {
    for (const port of ports) {
      const answer = await refusable(session, "publish", { port });
      if (answer.kind === "error")
        throw new Failure("port_unavailable", answer.error.message, {
          place: port,
          remedy: "Publish another port of this machine: HOST:CELL.",
        });
      opened.push(answer.reply);
      if (!flags.json) printLine(String(answer.reply.told));
    }
  } catch (error) {
    if (error instanceof NoAnswer) throw unreachable(session, error.message, error);
    throw error;
  } finally {
    if (flags.json) printJson(opened);
  }
}
