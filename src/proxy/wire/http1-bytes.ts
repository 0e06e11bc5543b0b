// What each byte may be in an HTTP/1.1 message (RFC 9110 §5.6.2, RFC 9112 §3), as tables.

/** `tchar`: 1 where the byte may stand in a method, a field name or a token. */
export const token = table((code) => code > 0x20 && code < 0x7f && !'"(),/:;<=>?@[\\]{}'.includes(chr(code)));

/** 1 where the byte may stand in a field value: SP, HTAB, VCHAR, obs-text; no other control. */
export const value = table((code) => code === 9 || (code >= 0x20 && code !== 0x7f));

/**
 * A request target. 1: may stand anywhere. 2: needs a look (`%`, `?`, `\`). 0: never, because it is a control, space,
 * not ASCII, or `#`, which some take for the target's end and some do not.
 */
export const target = table((code) => {
  if (code <= 0x20 || code >= 0x7f || code === 0x23) return 0;
  return code === 0x25 || code === 0x3f || code === 0x5c ? 2 : 1;
});

/** Value of a hexadecimal digit; 255 where it is none. */
export const hex = table((code) => {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : 255;
});

function chr(code: number): string {
  return String.fromCharCode(code);
}

function table(of: (code: number) => boolean | number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => Number(of(code)));
}

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;

/** Returned by a scanner that wants more bytes. */
export const MORE = -1;
/** Returned by a scanner that read what two parsers could read differently; `fault` says what. */
export const MALFORMED = -2;
