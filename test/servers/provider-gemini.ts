// The Gemini API's `generateContent` and `streamGenerateContent`, as the provider answers them.

import type { Turn, Usage } from "./provider.ts";

type Json = { readonly [key: string]: unknown };

/** The model and the verb of a path such as `/v1beta/models/gemini-2.5-pro:streamGenerateContent`; null for any other path. */
export function geminiCall(path: string): { readonly model: string; readonly verb: string } | null {
  const [, model = "", verb = ""] = /\/models\/([^/:]+):([A-Za-z]+)$/.exec(path) ?? [];
  return verb === "" ? null : { model, verb };
}

/** How many of the script's turns a conversation holds already: each ended in a tool, whose answer is in it. */
export function geminiTurns(body: Json): number {
  const contents = Array.isArray(body.contents) ? (body.contents as readonly Json[]) : [];
  return contents
    .flatMap(({ parts }) => (Array.isArray(parts) ? (parts as readonly Json[]) : []))
    .filter((part) => part.functionResponse !== undefined).length;
}

/** One turn as a `GenerateContentResponse`. */
export function geminiAnswer(turn: Turn, model: string, usage: Usage): Json {
  const parts: Json[] = [{ text: turn.say }];
  if (turn.tool) parts.push({ functionCall: { name: turn.tool.name, args: turn.tool.input } });
  return {
    candidates: [{ index: 0, content: { role: "model", parts }, finishReason: "STOP" }],
    usageMetadata: {
      promptTokenCount: usage.input,
      candidatesTokenCount: usage.output,
      totalTokenCount: usage.input + usage.output,
    },
    modelVersion: model,
    responseId: "response_test",
  };
}
