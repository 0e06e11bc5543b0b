// Frames of a terminal as one SVG that plays by itself: each distinct line stands once, each frame refers to its lines,
// and a style rule shows one frame after the other. Readers who asked for less motion see the last frame.

import type { Frame, Recording, Span } from "./recording.ts";

const cell = { width: 8.4, height: 19 };
const margin = { x: 18, top: 46, bottom: 16 };
/** Seconds for which the last frame stands before the film begins again. */
const pause = 4;

// biome-ignore format: sixteen colours in two rows of eight
const colours = [
  "#3b4252", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d8dee9",
  "#5c6370", "#ef7a84", "#a9d689", "#f0cf8e", "#7cc0ff", "#d695ea", "#6fcbd6", "#ffffff",
] as const;

export function picture({ size, title }: Recording, frames: readonly Frame[]): string {
  const width = Math.ceil(size.columns * cell.width + margin.x * 2);
  const height = margin.top + size.rows * cell.height + margin.bottom;
  const length = (frames.at(-1)?.time ?? 0) + pause;
  const lines = new Map<string, string>();
  const drawn = frames.map((frame, index) => draw(frame, index, lines));
  const rules = frames.map((frame, index) => {
    const from = (frame.time / length) * 100;
    const to = ((frames[index + 1]?.time ?? length) / length) * 100;
    return keyframes(index, from, to, index === frames.length - 1);
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${xml(title)}</title>
<style>
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d8dee9;white-space:pre}
.f{visibility:hidden;animation:${round(length)}s step-end infinite}
${rules.join("\n")}
@media (prefers-reduced-motion:reduce){.f{animation:none!important}.f:last-of-type{visibility:visible}}
</style>
<rect width="${width}" height="${height}" rx="9" fill="#1b1f27"/>
<circle cx="20" cy="20" r="6" fill="#ef6a5e"/><circle cx="40" cy="20" r="6" fill="#f4bd50"/><circle cx="60" cy="20" r="6" fill="#61c455"/>
<text x="${width / 2}" y="25" text-anchor="middle" style="fill:#7f8897">${xml(title)}</text>
<defs>
${[...lines].map(([content, id]) => `<g id="${id}">${content}</g>`).join("\n")}
</defs>
${drawn.join("\n")}
</svg>
`;
}

function draw(frame: Frame, index: number, lines: Map<string, string>): string {
  const uses = frame.lines.flatMap((spans, row) => {
    if (spans.length === 0) return [];
    const content = spans.map(text).join("");
    const id = lines.get(content) ?? `l${lines.size}`;
    lines.set(content, id);
    return [`<use href="#${id}" y="${margin.top + row * cell.height}"/>`];
  });
  const x = round(margin.x + frame.cursor.column * cell.width);
  const y = margin.top + frame.cursor.row * cell.height;
  uses.push(`<rect x="${x}" y="${y}" width="${cell.width}" height="${cell.height - 2}" fill="#d8dee9" opacity=".55"/>`);
  return `<g class="f" style="animation-name:k${index}">${uses.join("")}</g>`;
}

function text(span: Span): string {
  const look = [
    span.colour === null ? "" : `fill:${colours[span.colour]}`,
    span.bold ? "font-weight:bold" : "",
    span.dim ? "opacity:.6" : "",
  ].filter((rule) => rule !== "");
  const style = look.length === 0 ? "" : ` style="${look.join(";")}"`;
  // The width is stated, so that a font which is wider or narrower does not tear the columns.
  const words = span.text.trimStart();
  const x = round(margin.x + (span.column + span.text.length - words.length) * cell.width);
  const width = round(words.length * cell.width);
  const shown = xml(words.replaceAll(" ", "\u00a0"));
  return `<text x="${x}" y="14" textLength="${width}" lengthAdjust="spacingAndGlyphs"${style}>${shown}</text>`;
}

function keyframes(index: number, from: number, to: number, last: boolean): string {
  const shown = `${round(from)}%{visibility:visible}`;
  const hidden = last ? "" : `${round(to)}%{visibility:hidden}`;
  return `@keyframes k${index}{${from > 0 ? "0%{visibility:hidden}" : ""}${shown}${hidden}}`;
}

function round(value: number): string {
  return String(Number(value.toFixed(3)));
}

function xml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
