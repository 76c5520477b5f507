/**
 * Writes plain data as YAML that readers of YAML 1.1 and of YAML 1.2 take for the same.
 *
 * @module
 */

/** Texts without quotes: they begin with a letter, and hold nothing that means something anywhere in YAML. */
const PLAIN = /^[A-Za-z](?:[A-Za-z0-9_./@()+-]|[ ](?=[A-Za-z0-9_./@()+-]))*$/;

/** Words that some reader takes for a boolean or null. */
const WORD = /^(?:y|n|yes|no|on|off|true|false|null|nan|inf)$/i;

/** What a text in a block may hold: no control characters but the end of a line, and none of the other ends of lines. */
// deno-lint-ignore no-control-regex
const UNPRINTABLE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/;

/** The longest text without quotes, in characters: on very long ones the expression would use up the stack. */
const LONGEST_PLAIN = 1000;

/** What stands in quotes as it is. */
const UNESCAPED = /^[ !#-[\]-~]*$/;

const ESCAPED = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** The longest key that needs no `?`, in characters: YAML allows 1024 with all escapes. */
const SIMPLE_KEY = 100;

/**
 * Writes plain data as YAML.
 *
 * @param document What `checkDocument` lets through, NaN and the infinities included.
 * @returns The text: blocks for what has parts, quotes around all that could be taken for something else.
 */
export function yamlText(document: unknown): string {
  const value = inline(document);
  if (value !== undefined) return `${value}\n`;
  if (typeof document === "string") return block(document, "  ");
  return parts(document as object, "");
}

/** The parts of an object or list that is not empty, a line each at least. */
function parts(value: object, indent: string): string {
  let text = "";
  if (Array.isArray(value)) {
    for (const item of value) text += listed(item, indent);
    return text;
  }
  for (const name of Object.keys(value)) {
    const key = scalar(name);
    const head = key.length > SIMPLE_KEY ? `${indent}? ${key}\n${indent}:` : `${indent}${key}:`;
    text += part(head, (value as Record<string, unknown>)[name], indent);
  }
  return text;
}

/** An item of a list; what has parts begins on the line of the dash. */
function listed(item: unknown, indent: string): string {
  if (typeof item === "string" || inline(item) !== undefined) return part(`${indent}-`, item, indent);
  return `${indent}- ${parts(item as object, `${indent}  `).slice(indent.length + 2)}`;
}

function part(head: string, value: unknown, indent: string): string {
  const text = inline(value);
  if (text !== undefined) return `${head} ${text}\n`;
  if (typeof value === "string") return `${head} ${block(value, `${indent}  `)}`;
  return `${head}\n${parts(value as object, `${indent}  `)}`;
}

/** The form of what fits on one line, or nothing. */
function inline(value: unknown): string | undefined {
  switch (typeof value) {
    case "string":
      return isBlock(value) ? undefined : scalar(value);
    case "number":
      return number(value);
    case "object":
      if (value === null) return "null";
      if (Array.isArray(value)) return value.length === 0 ? "[]" : undefined;
      return Object.keys(value).length === 0 ? "{}" : undefined;
    default:
      return String(value);
  }
}

/** A number that is a number to all readers: YAML 1.1 wants a point where there is an exponent. */
function number(value: number): string {
  if (Number.isNaN(value)) return ".nan";
  if (!Number.isFinite(value)) return value > 0 ? ".inf" : "-.inf";
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  return text.includes("e") && !text.includes(".") ? text.replace("e", ".0e") : text;
}

function scalar(text: string): string {
  if (text.length <= LONGEST_PLAIN && PLAIN.test(text) && !WORD.test(text)) return text;
  if (UNESCAPED.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(ESCAPED, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Whether a text is better read as lines. */
function isBlock(text: string): boolean {
  return text.includes("\n") && !/^[\s]/.test(text) && !UNPRINTABLE.test(text) && !/[ ]$/m.test(text);
}

function block(text: string, indent: string): string {
  const ends = /\n*$/.exec(text)![0].length;
  const lines = (ends === 0 ? text : text.slice(0, -1)).split("\n");
  const head = ends === 0 ? "|-" : ends === 1 ? "|" : "|+";
  return `${head}\n${lines.map((line) => line === "" ? "\n" : `${indent}${line}\n`).join("")}`;
}
