// The Biscuit library, loaded without its habits: its own entry cannot be loaded by Node as it stands, and prints a line on
// standard output when it starts. Loading takes about 20 ms, so only who has a token in hand loads it.
// Source: https://doc.biscuitsec.org/reference/specifications (version 3 blocks, Ed25519)

import { readFile } from "node:fs/promises";

type Module = typeof import("@biscuit-auth/biscuit-wasm");

export type Biscuits = Pick<
  Module,
  "AuthorizerBuilder" | "Biscuit" | "BiscuitBuilder" | "BlockBuilder" | "Fact" | "PrivateKey" | "PublicKey" | "Rule"
>;

/** As much of `WebAssembly` as loading takes: the types of Node do not have it. */
interface Engine {
  readonly Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): readonly { readonly module: string; readonly name: string }[];
  };
  readonly Instance: new (
    module: object,
    imports: object,
  ) => { readonly exports: { readonly [name: string]: unknown } };
}

let loading: Promise<Biscuits> | null = null;

/** @throws Error where the package is not whole. */
export function loadBiscuits(): Promise<Biscuits> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Biscuits> {
  const entry = new URL(import.meta.resolve("@biscuit-auth/biscuit-wasm"));
  const glue = (await import(new URL("biscuit_bg.js", entry).href)) as Biscuits & {
    __wbg_set_wasm(exports: unknown): void;
  };
  const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: Engine };
  const wasm = new WebAssembly.Module(await readFile(new URL("biscuit_bg.wasm", entry)));
  const imports: Record<string, Record<string, unknown>> = {};
  for (const { module, name } of WebAssembly.Module.imports(wasm)) {
    imports[module] ??= {};
    imports[module][name] = silent.test(name)
      ? () => {}
      : module === "./biscuit_bg.js"
        ? glue[name as keyof typeof glue]
        : () => performance.now();
  }
  const { exports } = new WebAssembly.Instance(wasm, imports);
  glue.__wbg_set_wasm(exports);
  (exports.__wbindgen_start as () => void)();
  return glue;
}

/** What the library would write on the console. */
const silent = /^__wbg_(debug|error|info|log|warn)_/;
