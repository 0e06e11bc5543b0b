// The keys that end `sallyport attach` and leave the run running, found among what a person types. Nothing else is lost: keys that
// began like them are passed on as soon as they turn out to be others, or nothing follows for a moment.

/** How long the first of the keys waits for the next, milliseconds. */
const patience = 500;

export interface DetachKeys {
  /** What is to be passed on of these bytes; `detach`: the keys were typed. */
  take(bytes: Buffer): { readonly pass: Buffer; readonly detach: boolean };
  close(): void;
}

/** One key: the forms in which a terminal may send it. */
type Key = readonly Buffer[];

/** `ctrl-p,ctrl-q`, `ctrl-a,d`, `ctrl-]`. Null: no keys are spelled so. */
export function parseDetachKeys(text: string): readonly Key[] | null {
  const keys: Key[] = [];
  for (const name of text.split(",")) {
    const control = /^ctrl-([a-z@[\\\]^_])$/.exec(name)?.[1];
    if (control !== undefined) keys.push(controlKey(control));
    else if (/^[\x20-\x7e]$/.test(name)) keys.push([Buffer.from(name)]);
    else return null;
  }
  return keys.length > 0 && keys.length <= 8 ? keys : null;
}

/** As a byte, and as kitty's protocol and xterm's modifyOtherKeys spell it where an agent has asked for those. */
function controlKey(letter: string): Key {
  const code = letter.charCodeAt(0);
  return [
    Buffer.of(letter.toUpperCase().charCodeAt(0) & 0x1f),
    Buffer.from(`\u001b[${code};5u`),
    Buffer.from(`\u001b[27;5;${code}~`),
  ];
}

/** `late`: keys that were held back, because they could have been the beginning, and were not. */
export function createDetachKeys(keys: readonly Key[], late: (bytes: Buffer) => void): DetachKeys {
  let held: Buffer[] = [];
  let timer: NodeJS.Timeout | null = null;
  const letGo = (): Buffer => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const bytes = Buffer.concat(held);
    held = [];
    return bytes;
  };
  const keyAt = (bytes: Buffer, at: number, which: number): Buffer | undefined =>
    keys[which]?.find((form) => bytes.subarray(at, at + form.length).equals(form));
  return {
    take(bytes) {
      const pass: Buffer[] = [];
      for (let at = 0; at < bytes.length; ) {
        let form = keyAt(bytes, at, held.length);
        if (form === undefined && held.length > 0) {
          pass.push(letGo());
          form = keyAt(bytes, at, 0);
        }
        if (form === undefined) {
          pass.push(bytes.subarray(at, at + 1));
          at += 1;
          continue;
        }
        held.push(form);
        at += form.length;
        if (held.length === keys.length) {
          letGo();
          return { pass: Buffer.concat(pass), detach: true };
        }
      }
      if (held.length > 0) {
        if (timer !== null) clearTimeout(timer);
        timer = setTimeout(() => late(letGo()), patience);
      }
      return { pass: Buffer.concat(pass), detach: false };
    },
    close: () => void letGo(),
  };
}
