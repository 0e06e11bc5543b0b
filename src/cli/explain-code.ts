// `sallyport explain-code [CODE]`: what a code means and what to do about it; without one, all of them.

import type { Command } from "commander";
import { Failure } from "#core/failure.ts";
import { nearest } from "#policy/nearest.ts";
import { allCodes, type CodeText } from "./codes.ts";
import { printJson, printLine, printTable } from "./output.ts";

export function register(program: Command): void {
  program
    .command("explain-code")
    .description("say what a code means, and what to do about it")
    .argument("[code]", "a code as it stands in a denial, a message or a session; all when left out")
    .option("--json", "print JSON")
    .action((code: string | undefined, options: { json?: boolean }) => {
      const codes = allCodes();
      const found = code === undefined ? codes : explained(code, codes);
      if (options.json) printJson(found);
      else if (code === undefined)
        printTable([["CODE", "KIND", "MEANING"], ...codes.map((each) => [each.code, each.kind, each.meaning])]);
      else for (const each of found) printLine(paragraph(each));
    });
}

/** The texts of one code. @throws Failure `usage`, with the nearest known code. */
export function explained(code: string, codes: readonly CodeText[]): readonly CodeText[] {
  const found = codes.filter((each) => each.code === code);
  if (found.length > 0) return found;
  const meant = nearest(
    code,
    codes.map((each) => each.code),
  );
  throw new Failure("usage", `no code is named ${code}`, {
    place: "explain-code",
    remedy: meant === null ? "sallyport explain-code lists all codes." : `Did you mean ${meant}?`,
  });
}

function paragraph({ code, kind, meaning, remedy, status, exit }: CodeText): string {
  const figure = status !== undefined ? `, HTTP ${status}` : exit !== undefined ? `, exit code ${exit}` : "";
  return `${code} (${kind}${figure})\n  ${meaning}\n  ${remedy}`;
}
