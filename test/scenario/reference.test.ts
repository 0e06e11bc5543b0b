// What the documents print is what the program says: every code, flag, key and policy; and every link and name in them leads to
// something that is there.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
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

test("CONTRIBUTING.md explains every step of the check", () => {
  const script = readFileSync(join(root, "scripts", "check.sh"), "utf8");
  const steps = /^all="([a-z ]+)"$/m.exec(script)?.[1]?.split(" ") ?? [];
  const explained = [...readFileSync(join(root, "CONTRIBUTING.md"), "utf8").matchAll(/^\| ([a-z]+) \| .* \| `/gm)];
  assert.ok(steps.length > 10);
  assert.deepEqual(
    explained.map(([, step]) => step),
    steps,
  );
});

test("every file and folder that the documents name is there", () => {
  for (const document of ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md", ...pages()]) {
    const text = readFileSync(join(root, document), "utf8");
    const names = [...text.matchAll(/`((?:src|test|docs|scripts|schema|bench|bin)\/[\w./-]+)`/g)].map(
      ([, path]) => path ?? "",
    );
    for (const path of names) assert.ok(existsSync(join(root, path)), `${document} names ${path}`);
  }
});

test("every link between the documents leads to a file, and to a heading of it", () => {
  const broken: string[] = [];
  let seen = 0;
  for (const document of documents()) {
    for (const { path, heading } of linksOf(document)) {
      seen += 1;
      const isThere = existsSync(join(root, path));
      if (!isThere || (heading !== null && !headingsOf(path).has(heading)))
        broken.push(`${document} links ${path}${heading === null ? "" : `#${heading}`}`);
    }
  }
  assert.ok(seen > 100);
  assert.deepEqual(broken, []);
});

test("every page of docs is reached from docs/README.md", () => {
  const reached = new Set(["docs/README.md"]);
  for (const page of reached) for (const { path } of linksOf(page)) if (path.endsWith(".md")) reached.add(path);
  assert.deepEqual(
    pages().filter((page) => !reached.has(page)),
    [],
  );
});

test("docs/README.md and the README name each other", () => {
  assert.ok(linksOf("README.md").some(({ path }) => path === "docs/README.md"));
  assert.ok(linksOf("docs/README.md").some(({ path }) => path === "README.md"));
});

/** The pages of docs, from the root. */
function pages(): readonly string[] {
  return readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md"))
    .map((path) => `docs/${path}`)
    .sort();
}

/** Every document of ours, from the root. */
function documents(): readonly string[] {
  const tops = readdirSync(root, { withFileTypes: true }).filter(
    ({ name }) => !name.startsWith(".") && name !== "node_modules" && name !== "dist",
  );
  return tops
    .flatMap((top) =>
      top.isDirectory()
        ? readdirSync(join(root, top.name), { recursive: true, encoding: "utf8" }).map((path) => join(top.name, path))
        : [top.name],
    )
    .filter((path) => path.endsWith(".md"));
}

interface DocumentLink {
  /** From the root. */
  readonly path: string;
  readonly heading: string | null;
}

function linksOf(document: string): readonly DocumentLink[] {
  const text = withoutCode(readFileSync(join(root, document), "utf8"));
  return [...text.matchAll(/\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].map(([, path = "", heading]) => ({
    path: path === "" ? document : join(dirname(document), path),
    heading: heading ?? null,
  }));
}

/** As GitHub names them. */
function headingsOf(document: string): ReadonlySet<string> {
  const text = withoutCode(readFileSync(join(root, document), "utf8"), false);
  return new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

function withoutCode(text: string, inline = true): string {
  const outside = text.replace(/^```[\s\S]*?^```/gm, "");
  return inline ? outside.replace(/`[^`\n]*`/g, "") : outside;
}

test("every sallyport command that a document shows has the flags that it is shown with", () => {
  const sections = new Map<string, string>();
  const reference = readFileSync(join(root, "docs", "reference", "commands.md"), "utf8");
  for (const [, , name = "", text = ""] of reference.matchAll(
    /^(##+) sallyport (.+)\n([\s\S]*?)(?=\n##+ |$(?![\s\S]))/gm,
  ))
    sections.set(name, text);
  assert.ok(sections.size > 20);
  const wrong: string[] = [];
  let seen = 0;
  for (const page of ["README.md", ...pages().filter((path) => path !== "docs/reference/commands.md")]) {
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
