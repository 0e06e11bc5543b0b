// Where a run's report goes: the person's error stream, between what an agent prints there, and never over what it draws.

import { startProgress } from "../progress.ts";
import { createReport, type Report } from "./report.ts";
import type { Screen } from "./screen.ts";

/** `screen`: of an agent that has a terminal of its own, which is then shown on the person's. */
export function createRunReport(
  { quiet = false, json = false }: { readonly quiet?: boolean; readonly json?: boolean },
  screen: Screen | null,
): Report {
  const { stderr: stream } = process;
  // Lines that go to a file tear nothing.
  const shared = stream.isTTY ? screen : null;
  const drawing = () => shared?.drawing() ?? false;
  const visible = () => !drawing() && shared?.modes.atLineStart !== false;
  return createReport((text) => void stream.write(shared?.fit(text) ?? text), {
    quiet,
    json,
    drawing,
    progress: (text) => startProgress(text, { stream, env: process.env, visible }),
  });
}
