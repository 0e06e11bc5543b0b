// `sallyport alerts`: what was not delivered yet, the key that signs, and a try by hand.

import type { Command } from "commander";
import { alertSecret, deliverOwed, owedBy, owedSessions } from "./alerts.ts";
import { openHome } from "./home.ts";
import { printJson, printLine, printTable } from "./output.ts";

export function register(program: Command): void {
  const alerts = program
    .command("alerts")
    .description("alerts that wait for the webhook that a policy names")
    .addHelpText(
      "after",
      `
A denial's event is sent as JSON with \`Sallyport-Signature: t=SECONDS,v1=HEX\`; HEX is the HMAC-SHA256, under the key that
\`sallyport alerts secret\` prints, of SECONDS, a dot and the body.`,
    );
  const command = (name: string, description: string) =>
    alerts.command(name).description(description).option("--json", "print one JSON object");
  command("list", "show the sessions whose alerts were not all delivered").action(list);
  command("deliver", "try again now").action(deliver);
  command("secret", "print the key that receivers check signatures with").action(secret);
}

function list({ json = false }: { json?: boolean }): void {
  const home = openHome(process.env);
  const owed = owedSessions(home).map((session) => ({ session, ...owedBy(home, session) }));
  if (json) printJson(owed);
  else
    printTable([
      ["SESSION", "ALERTS", "WEBHOOK"],
      ...owed.map(({ session, alerts, urls }) => [session, String(alerts), urls.join(" ")]),
    ]);
}

async function deliver({ json = false }: { json?: boolean }): Promise<void> {
  const home = openHome(process.env);
  const before = owedSessions(home).length;
  const left = await deliverOwed(home);
  if (json) printJson({ sessions: before, left });
  else printLine(left === 0 ? `${before} sessions: all delivered` : `${left} of ${before} sessions still wait`);
  process.exitCode = left === 0 ? 0 : 1;
}

function secret({ json = false }: { json?: boolean }): void {
  const key = alertSecret(openHome(process.env));
  if (json) printJson({ secret: key });
  else printLine(key);
}
