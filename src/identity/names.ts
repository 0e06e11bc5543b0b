// How agents, policies, tasks and owners may be named: in file names, tokens, events and on a person's terminal, so a name
// holds nothing that any of them would read otherwise.

import { Failure } from "#core/failure.ts";

const id = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/;
/** Also what a person types in a token's `--audience`. */
const words = /^[\p{L}\p{N}\p{P}\p{S} ]{1,200}$/u;

/** `flag` is where it was said, for the error. @throws Failure usage */
export function checkId(text: string, what: string, flag: string): string {
  if (id.test(text)) return text;
  throw new Failure("usage", `${JSON.stringify(text)} is no ${what}`, {
    place: flag,
    remedy: "Use 1 to 63 lower-case letters, digits, dots, dashes and underscores, a letter or digit first and last.",
  });
}

/** @throws Failure usage */
export function checkOwner(text: string): string {
  if (words.test(text) && text.trim() === text) return text;
  throw new Failure("usage", "an owner is an e-mail address or a team's name", {
    place: "--owner",
    remedy: "Use 1 to 200 printable characters.",
  });
}

export function isId(text: unknown): text is string {
  return typeof text === "string" && id.test(text);
}

export function isOwner(text: unknown): text is string {
  return typeof text === "string" && words.test(text);
}
