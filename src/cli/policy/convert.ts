// `sallyport policy convert FILE`: a policy in YAML or JSON as TOML, comments kept at what they stand at.

import { Failure } from "#core/failure.ts";
import { commentsOfYaml, noComments } from "#policy/comments.ts";
import { problemFailure, readPolicy } from "#policy/parse.ts";
import { policyToml } from "#policy/toml-text.ts";
import { printFailure, printJson } from "../output.ts";
import { shippedPresets } from "../presets.ts";
import { readNamed } from "./files.ts";

/** @throws Failure policy_unreadable, usage */
export function convert(file: string, json: boolean): number {
  const { name, text } = readNamed(file);
  const format = /\.json$/i.test(file) ? "json" : "yaml";
  if (/\.toml$/i.test(file)) {
    throw new Failure("usage", "this policy is TOML already", {
      place: file,
      remedy: "Name one that is YAML or JSON.",
    });
  }
  const { written, problems } = readPolicy(text, { name, format, presets: shippedPresets });
  if (written === null) {
    for (const problem of problems) printFailure(problemFailure(problem, name), json);
    return 1;
  }
  const toml = policyToml(written.document, format === "yaml" ? commentsOfYaml(text, written.places) : noComments);
  if (json) printJson({ toml });
  else process.stdout.write(toml);
  return 0;
}
