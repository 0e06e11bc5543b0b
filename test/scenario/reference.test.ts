// What the documents print is what the program says: every code in docs/reference/codes.md, every policy in README.md.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { root } from "../servers/installed.ts";
import { openPlace, type Place } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("reference");
});
after(() => place?.close());

test("the manual, the reference of commands, codes and policy keys, and the schema are as the source says", () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "scripts/reference.ts", "--check"],
    { cwd: root, encoding: "utf8" },
  );
  assert.equal(status, 0, stderr);
});

test("docs/reference/codes.md has every code that explain-code knows", async () => {
  const { stdout } = await place.run(["explain-code", "--json"]);
  const codes = JSON.parse(stdout) as readonly { readonly code: string; readonly remedy: string }[];
  const document = readFileSync(join(root, "docs", "reference", "codes.md"), "utf8");
  assert.ok(codes.length > 40);
  for (const { code, remedy } of codes)
    assert.ok(
      document.split("\n").some((line) => line.startsWith(`| \`${code}\` `) && line.includes(remedy)),
      code,
    );
});

test("docs/reference/commands.md has every flag that --help prints", async () => {
  const document = readFileSync(join(root, "docs", "reference", "commands.md"), "utf8");
  for (const command of [["run"], ["sessions", "list"], ["policy", "check"], ["completion"]]) {
    const { stdout } = await place.run([...command, "--help"]);
    const flags = [...stdout.matchAll(/^ {2}((?:-\w, )?--[a-z-]+(?: <\S+>)?)/gm)].map(([, flag = ""]) => flag);
    assert.ok(flags.length > 1, stdout);
    for (const flag of flags.filter((each) => !each.includes("--help")))
      assert.ok(document.includes(`| \`${flag}\` |`), `${command.join(" ")} ${flag}`);
  }
});

test("the manual's pages are clean to both of the linters that there are", () => {
  const pages = readdirSync(join(root, "man")).map((name) => join(root, "man", name));
  assert.ok(pages.length > 5);
  const linted = spawnSync("mandoc", ["-Tlint", ...pages], { encoding: "utf8" });
  assert.equal(linted.stdout + linted.stderr, "");
  assert.equal(linted.status, 0);
  for (const page of pages) {
    const env = { PATH: process.env.PATH, LC_ALL: "C.UTF-8", MANROFFSEQ: "" };
    const shown = spawnSync("man", ["--warnings", "-E", "UTF-8", "-l", page], { encoding: "utf8", env });
    assert.equal(shown.stderr, "", page);
    assert.match(shown.stdout, /NAME\n +sallyport/);
  }
});

test("every policy printed in README.md and the how-tos is valid", async () => {
  const howTos = readdirSync(join(root, "docs", "how-to")).map((name) => join("docs", "how-to", name));
  for (const page of ["README.md", ...howTos]) {
    const blocks = [...readFileSync(join(root, page), "utf8").matchAll(/```toml\n([\s\S]*?)```/g)];
    assert.ok(page !== "README.md" || blocks.length > 0);
    for (const [, text = ""] of blocks) {
      const ran = await place.run(["policy", "check", place.policy(text)]);
      assert.equal(ran.code, 0, `${page}: ${ran.stderr}${ran.stdout}`);
    }
  }
});

test("every npm script that the documents name is there", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: { [name: string]: string };
  };
  for (const document of ["README.md", "CONTRIBUTING.md"]) {
    for (const [, name = ""] of readFileSync(join(root, document), "utf8").matchAll(/npm run ([a-z:]+)/g)) {
      assert.ok(name in scripts, `${document} names npm run ${name}`);
    }
  }
});

test("every file and folder that the documents link or name is there", () => {
  for (const document of ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md"]) {
    const text = readFileSync(join(root, document), "utf8");
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, path]) => path ?? "");
    const names = [...text.matchAll(/`((?:src|test|docs|scripts|schema|bench|bin)\/[\w./-]+)`/g)].map(
      ([, path]) => path ?? "",
    );
    for (const path of [...links, ...names]) assert.ok(existsSync(join(root, path)), `${document} names ${path}`);
  }
});

test("every sallyport command that a document shows has the flags that it is shown with", () => {
  const sections = new Map<string, string>();
  const reference = readFileSync(join(root, "docs", "reference", "commands.md"), "utf8");
  for (const [, , name = "", text = ""] of reference.matchAll(
    /^(##+) sallyport (.+)\n([\s\S]*?)(?=\n##+ |$(?![\s\S]))/gm,
  ))
    sections.set(name, text);
  assert.ok(sections.size > 20);
  const pages = [
    "README.md",
    ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".md") && path !== "reference/commands.md")
      .map((path) => `docs/${path}`),
  ];
  const wrong: string[] = [];
  let seen = 0;
  for (const page of pages) {
    const blocks = [...readFileSync(join(root, page), "utf8").matchAll(/^```(?:sh|yaml)\n([\s\S]*?)^```/gm)];
    for (const line of blocks.flatMap(([, block = ""]) => block.replace(/\\\n\s*/g, " ").split("\n"))) {
      for (const [, said = ""] of line.replace(/\s#\s.*$/, "").matchAll(/(?:^|[\s(])sallyport ((?:[^|&;)])+)/g)) {
        // What follows an agent's name is the agent's.
        const words =
          said
            .split(/ -- | (?:claude|codex|gemini|opencode|aider)(?: |$)/)[0]
            ?.trim()
            .split(/\s+/) ?? [];
        if (words[0] === "") continue;
        const name = [words.slice(0, 2).join(" "), words[0] ?? ""].find((each) => sections.has(each));
        if (name === undefined) {
          if (!/^(--version|--help|-V|-h|help)$/.test(words[0] ?? "")) wrong.push(`${page}: ${line.trim()}`);
          continue;
        }
        seen += 1;
        for (const flag of words.filter((word) => /^--[a-z]/.test(word)).map((word) => word.split("=")[0] ?? ""))
          if (flag !== "--help" && !sections.get(name)?.includes(flag))
            wrong.push(`${page}: ${flag} in: ${line.trim()}`);
      }
    }
  }
  assert.ok(seen > 30);
  assert.deepEqual(wrong, []);
});
