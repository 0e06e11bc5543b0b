import assert from "node:assert/strict";
import { test } from "node:test";
import { describeCommand, everyCommand } from "./command-table.ts";
import { type Candidate, complete, type ListedKind, valueKinds } from "./complete.ts";
import { loadProgram } from "./main.ts";

const listed = async (kind: ListedKind): Promise<readonly Candidate[]> => [
  { value: `a-${kind}`, description: "" },
  { value: `b-${kind}`, description: "" },
];

const cases: readonly (readonly [words: readonly string[], offered: readonly string[], directive: string])[] = [
  [["ru"], ["run"], "none"],
  [["sessions", "sho"], ["show"], "none"],
  [["sessions", "show", "a"], ["a-sessions"], "none"],
  [["sessions", "show", "--js"], ["--json"], "none"],
  [["sessions", "show", "a-sessions", ""], [], "none"],
  [["sessions", "list", "--agent", "b"], ["b-agents"], "none"],
  [["sessions", "list", "--agent=b"], ["--agent=b-agents"], "none"],
  [["sessions", "list", "-n", ""], [], "none"],
  [["run", "--policy", ""], [], "files toml yaml yml json"],
  [["run", "--policy=x"], [], "files toml yaml yml json"],
  [["run", "--env", "a"], ["a-variables"], "none"],
  [["run", "--env", "X=1", "--max-requ"], ["--max-requests"], "none"],
  [["run", "--", ""], [], "command 2"],
  [["run", "-t", "cu"], [], "command 2"],
  [["run", "--max-requests", "5", "--", "curl", "--he"], [], "command 4"],
  [["run", "--max-requests", "5", "curl", "--he"], [], "command 3"],
  [["completion", ""], ["bash", "zsh", "fish"], "none"],
  [["no-such-command", ""], [], "none"],
  [["run", "--allow", "b"], ["b-hosts"], "none"],
  [["run", "--profile", "a"], ["a-profiles"], "none"],
  [["stop", "a"], ["a-running"], "none"],
  [["stop", "a-running", "b"], ["b-running"], "none"],
  [["auth", "issue-token", "--agent-id", "a"], ["a-agents"], "none"],
  [["auth", "revoke-token", "--jti", ""], [], "none"],
  [["policy", "explain", "x.toml", "--", ""], [], "none"],
];

for (const [words, offered, directive] of cases) {
  test(`after "${words.join(" ")}" stands ${[...offered, directive].join(", ")}`, async () => {
    const found = await complete(words, loadProgram, listed);
    assert.deepEqual(
      found.candidates.map(({ value }) => value),
      offered,
    );
    assert.equal(found.directive, directive);
  });
}

test("every placeholder of every command is known, so that its value can be completed or is known to be free", async () => {
  const table = everyCommand(describeCommand(await loadProgram()));
  const words = table.flatMap(({ path, arguments: positional, options }) =>
    [...positional, ...options].flatMap(({ term }) =>
      [...term.matchAll(/<([^>]+?)(?:\.\.\.)?>|\[(?=[a-z])([^\]]+?)(?:\.\.\.)?\]$/g)].map(
        ([, required, optional]) => [required ?? optional ?? "", path.join(" ")] as const,
      ),
    ),
  );
  assert.ok(words.length > 10);
  assert.deepEqual(
    words.filter(([word]) => !(word in valueKinds)).map(([word, path]) => `${path}: <${word}>`),
    [],
  );
});
