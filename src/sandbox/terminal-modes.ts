// What a program has set of its terminal, read from what it prints: the alternate screen, the mouse, bracketed paste, a
// hidden cursor, … So a terminal can be left as it was when the program was stopped, killed or is only no longer watched,
// and another can be brought to where the program believes it is.
// Only what is told is counted: a program that resets its own modes leaves nothing to undo, and not a byte is added then.
// Control sequences as in ECMA-48 and xterm's ctlseqs; keyboard flags as in kitty's protocol.

export interface TerminalModes {
  /** MUST be shown everything that the program prints, in order. */
  see(bytes: Uint8Array): void;
  /** The program draws on the alternate screen. */
  readonly fullScreen: boolean;
  /** The cursor stands at the beginning of a line, as far as the text tells. */
  readonly atLineStart: boolean;
  /** How often the program has undone all that it had set: it gave the terminal back. */
  readonly givenBack: number;
  /** Puts a terminal back; empty where nothing was set. */
  leave(): string;
  /** Sets another terminal, or the same one later, as the program has it. */
  enter(): string;
}

const ESC = 0x1b;
/** Bytes of a control sequence; a longer one is none. */
const longest = 64;

/** Private modes (DECSET) worth undoing, with what a terminal starts with. */
const initial: ReadonlyMap<number, boolean> = new Map([
  [1, false], // application cursor keys
  [5, false], // reverse video
  [6, false], // origin
  [7, true], // wrap
  [9, false], // mouse, and below
  [25, true], // cursor shown
  [47, false], // alternate screen, and 1047, 1049
  [1000, false],
  [1001, false],
  [1002, false],
  [1003, false],
  [1004, false], // focus
  [1005, false],
  [1006, false],
  [1007, false],
  [1015, false],
  [1016, false],
  [1047, false],
  [1049, false],
  [2004, false], // bracketed paste
  [2026, false], // synchronized output
  [2031, false],
  [2048, false],
]);
const alternate: readonly number[] = [1049, 1047, 47];

export function createTerminalModes(): TerminalModes {
  /** Only those that are not as a terminal starts. */
  const modes = new Map<number, boolean>();
  /** kitty's keyboard flags, one entry a push; main and alternate screen share it here. */
  let keyboard: number[] = [];
  let other: { keypad: boolean; keys: boolean; style: boolean; region: boolean; graphics: boolean; charset: boolean };
  let pending = "";
  let inString = false;
  /** The last byte of text, and that of the main screen while another is up. */
  let last = 10;
  let lastOnMain = 10;
  let clean = true;
  let givenBack = 0;
  const reset = () => {
    modes.clear();
    keyboard = [];
    other = { keypad: false, keys: false, style: false, region: false, graphics: false, charset: false };
  };
  reset();

  /** A whole sequence, without its ESC. */
  function sequence(text: string): void {
    if (text === "c") reset();
    else if (text === "=" || text === ">") other.keypad = text === "=";
    else if (/^\([^ ]$/.test(text)) other.charset = text !== "(B";
    else if (text.startsWith("[")) control(text.slice(1));
    const isClean = modes.size === 0 && keyboard.length === 0 && !other.keypad;
    if (isClean && !clean) givenBack += 1;
    clean = isClean;
  }

  function control(text: string): void {
    const final = text.at(-1) ?? "";
    const body = text.slice(0, -1);
    if ((final === "h" || final === "l") && body.startsWith("?")) {
      for (const part of body.slice(1).split(";")) set(Number(part), final === "h");
    } else if (final === "m" && body.startsWith(">4")) other.keys = /^>4;[12]/.test(body);
    else if (final === "m" && /^[\d;:]*$/.test(body)) other.graphics = !/^0*$/.test(body) && !/;0*$/.test(body);
    else if (final === "r" && /^[\d;]*$/.test(body)) other.region = body !== "" && body !== ";";
    else if (final === "q" && body.endsWith(" ")) other.style = !/^0* $/.test(body);
    else if (final === "p" && body === "!") reset();
    else if (final === "u") kitty(body);
  }

  function kitty(body: string): void {
    const value = Number(body.slice(1).split(";")[0] || 0);
    if (!Number.isInteger(value)) return;
    if (body.startsWith(">") && keyboard.length < 16) keyboard.push(value);
    else if (body.startsWith("<")) keyboard.splice(Math.max(0, keyboard.length - (value || 1)));
    else if (body.startsWith("=")) keyboard.splice(-1, 1, value);
  }

  function set(mode: number, on: boolean): void {
    const start = initial.get(mode);
    if (start === undefined) return;
    const before = isAlternate();
    if (on === start) modes.delete(mode);
    else modes.set(mode, on);
    // The cursor of the main screen is where it was when the other one came up.
    if (!before && isAlternate()) lastOnMain = last;
    else if (before && !isAlternate()) last = lastOnMain;
  }

  function isAlternate(): boolean {
    return alternate.some((mode) => modes.get(mode) === true);
  }

  /** Goes on with a sequence that has begun; gives where in `text` ordinary output begins again. */
  function within(text: string): number {
    for (let at = 0; at < text.length; at++) {
      const character = text[at] as string;
      if (inString) {
        // A string (title, clipboard, …) ends with BEL, or with ESC, whose backslash is then a sequence that means nothing.
        if (character === "\u0007") return end(at + 1);
        if (character === "\u001b") {
          inString = false;
          pending = "\u001b";
        }
        continue;
      }
      pending += character;
      if (character === "\u001b") pending = character;
      else if (pending.length === 2 && "]P_^X".includes(character)) inString = true;
      else if (isWhole(pending)) {
        sequence(pending.slice(1));
        return end(at + 1);
      } else if (pending.length > longest || character < " ") return end(at + 1);
    }
    return text.length;
  }

  function end(at: number): number {
    pending = "";
    inString = false;
    return at;
  }

  return {
    see(bytes) {
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let at = 0; at < buffer.length; ) {
        if (pending === "" && !inString) {
          const next = buffer.indexOf(ESC, at);
          const end = next < 0 ? buffer.length : next;
          if (end > at) last = buffer[end - 1] as number;
          if (next < 0) return;
          at = next;
        }
        // Piecewise: a chunk may hold one sequence and a megabyte of text.
        const piece = buffer.toString("latin1", at, at + 256);
        at += within(piece);
      }
    },
    get fullScreen() {
      return isAlternate();
    },
    get givenBack() {
      return givenBack;
    },
    get atLineStart() {
      return last === 10 || last === 13;
    },
    leave() {
      let text = "";
      for (const [mode, on] of modes) if (!alternate.includes(mode)) text += `\u001b[?${mode}${on ? "l" : "h"}`;
      if (other.keypad) text += "\u001b>";
      if (other.keys) text += "\u001b[>4m";
      if (keyboard.length > 0) text += `\u001b[<${keyboard.length}u`;
      if (other.region) text += "\u001b7\u001b[r\u001b8";
      if (other.style) text += "\u001b[0 q";
      if (other.graphics) text += "\u001b[m";
      if (other.charset) text += "\u001b(B";
      for (const mode of alternate) if (modes.get(mode) === true) text += `\u001b[?${mode}l`;
      // Where an unfinished sequence hangs, a terminal would take ours for its rest.
      return text === "" || pending === "" ? text : `\u0018${text}`;
    },
    enter() {
      let text = "";
      for (const mode of alternate) if (modes.get(mode) === true) text += `\u001b[?${mode}h`;
      for (const [mode, on] of modes) if (!alternate.includes(mode)) text += `\u001b[?${mode}${on ? "h" : "l"}`;
      if (other.keypad) text += "\u001b=";
      for (const flags of keyboard) text += `\u001b[>${flags}u`;
      return text;
    },
  };
}

function isWhole(text: string): boolean {
  if (text.length < 2) return false;
  if (text[1] === "[") return text.length > 2 && /[@-~]$/.test(text);
  // ESC, intermediates, and a final character.
  return /[0-~]$/.test(text);
}
