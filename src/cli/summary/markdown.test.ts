import assert from "node:assert/strict";
import { test } from "node:test";
import { markdownText } from "./markdown.ts";

const hostile = [
  "`",
  "``x```",
  "|",
  "\\|",
  "\\`",
  "![x](http://t.test)",
  "<img src=x>",
  "a\nb",
  "\u202e",
  "$(x)",
  " `a` ",
  "`".repeat(50),
];

for (const text of hostile) {
  test(`${JSON.stringify(text)} stays code wherever an agent can put it`, () => {
    const page = markdownText({
      command: ["sh", text],
      hosts: new Map([[text, { allowed: 1, denied: 2, failed: 0 }]]),
      denials: [
        {
          action: {
            kind: "http",
            scheme: "https",
            host: "one.test",
            port: 443,
            method: "GET",
            path: text,
            body: false,
            upgrade: null,
          },
          deny: { verdict: "deny", reason: "path_not_allowed", rule: text, remedy: text, detail: null },
          times: 1,
        },
      ],
      more: 3,
      sources: [text],
      record: null,
      failure: { code: "usage", message: text, place: text, remedy: text },
      exitCode: 125,
    });
    // With every code span taken out, as CommonMark finds them, nothing of the text is left.
    const rest = page.replace(/(?<!`)(`+)(?!`)([^`]|(?!(?<!`)\1(?!`))`)*?(?<!`)\1(?!`)/g, "");
    assert.doesNotMatch(rest, /[`\\<>$\u202e]|!\[/);
    for (const row of rest.split("\n").filter((line) => line.startsWith("|")))
      assert.equal(row.split("|").length, 6, row);
  });
}
