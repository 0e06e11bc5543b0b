// `sallyport bundle`: what an authority knows, carried to machines that enforce it without asking.

import type { Command } from "commander";
import { duration } from "./flag-values.ts";

export function register(program: Command): void {
  const bundle = program
    .command("bundle")
    .description("carry policies, agents and revocations to machines that enforce them offline")
    .addHelpText(
      "after",
      `
Examples, at the authority:
  sallyport bundle build --ttl 30d --out bundle.json
  sallyport bundle sign bundle.json --out bundle.dsse.json
and on a machine that enforces it:
  sallyport bundle apply bundle.dsse.json --key 5d0c…   # the key once; later ones are known by it
  sallyport bundle status`,
    );
  const command = (name: string, description: string) =>
    bundle.command(name).description(description).option("--json", "print one JSON object");
  command("build", "write what this home's authority knows as the next version, unsigned")
    .option("--ttl <duration>", "how long it may be applied", duration, 30 * 86_400)
    .option("--out <file>", "where to; otherwise standard output")
    .action(async (flags) => (await import("./bundle-commands.ts")).build(flags));
  command("sign", "sign a bundle with this home's authority key")
    .argument("<file>", "what `bundle build` wrote; - is standard input")
    .option("--out <file>", "where to; otherwise standard output")
    .option("--passphrase-file <file>", "the passphrase of the sealed key; - is standard input")
    .action(async (file, flags) => (await import("./bundle-commands.ts")).signBundle(file, flags));
  command("verify", "say whether a bundle is whole, signed by who counts, and could be applied now")
    .argument("<file>", "a signed bundle; - is standard input")
    .option("--key <hex>", "the public key that must have signed it; otherwise those that count here")
    .action(async (file, flags) => (await import("./bundle-commands.ts")).verifyBundle(file, flags));
  command("apply", "put a signed bundle in force")
    .argument("<file>", "a signed bundle; - is standard input")
    .option("--key <hex>", "the public key of its authority: named once, for the first bundle")
    .action(async (file, flags) => (await import("./bundle-commands.ts")).apply(file, flags));
  command("status", "show the bundle in force")
    .option("--attest", "print it as a statement that this machine's own key has signed (DSSE)")
    .action(async (flags) => (await import("./bundle-commands.ts")).status(flags));
}
