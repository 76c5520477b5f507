/**
 * Set expressions over repositories: `a.x & (b.y | c.z) - d.w`. They are read, never evaluated as code.
 *
 * @module
 */
import { UsageError } from "../core/errors.ts";

/** A set expression. */
export type SetExpression =
  | {
    readonly type: "name";
    /** The name of a repository. */
    readonly name: string;
    /** Where it begins in the text. */
    readonly at: number;
  }
  | {
    readonly type: "and" | "or" | "minus" | "xor";
    readonly left: SetExpression;
    readonly right: SetExpression;
  };

interface Token {
  readonly text: string;
  readonly at: number;
  readonly kind: "name" | "operator" | "open" | "close" | "end";
}

const OPERATORS: Readonly<
  Record<string, { readonly type: "and" | "or" | "minus" | "xor"; readonly tight: number }>
> = {
  "-": { type: "minus", tight: 4 },
  "&": { type: "and", tight: 3 },
  "^": { type: "xor", tight: 2 },
  "|": { type: "or", tight: 1 },
};

/** How deep parentheses may go. */
const MAX_DEPTH = 100;

/** How much of a text an error shows on each side of the fault. */
const SHOWN = 60;

/**
 * The error for a fault in an expression: what, and a caret beneath the place.
 *
 * @param text The expression.
 * @param at Where the fault is.
 * @param what What is wrong, and what to write.
 * @returns The error.
 */
export function expressionError(text: string, at: number, what: string): UsageError {
  const line = text.replace(/\s/g, " ");
  const from = Math.max(0, at - SHOWN);
  const part = `${from > 0 ? "…" : ""}${line.slice(from, at + SHOWN)}${at + SHOWN < line.length ? "…" : ""}`;
  return new UsageError(
    `Cannot read the expression: ${what}\n  ${part}\n  ${" ".repeat(at - from + (from > 0 ? 1 : 0))}^`,
  );
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  // A name may hold a minus; a minus that stands alone, or follows a closing parenthesis, is a difference.
  const pattern = /\s*(?:([A-Za-z0-9](?:[\w.-]*\w)?)|([&|^-])|(\()|(\)))/y;
  while (pattern.lastIndex < text.length) {
    const from = pattern.lastIndex;
    const match = pattern.exec(text);
    if (!match) {
      const at = from + /^\s*/.exec(text.slice(from))![0].length;
      if (at >= text.length) break;
      throw expressionError(
        text,
        at,
        `${
          JSON.stringify(text[at])
        } is not expected; write names of repositories with & | - ^ and parentheses`,
      );
    }
    const found = match[0].trimStart();
    const kind = match[1] ? "name" : match[2] ? "operator" : match[3] ? "open" : "close";
    tokens.push({ text: found, at: pattern.lastIndex - found.length, kind });
  }
  return [...tokens, { text: "", at: text.trimEnd().length, kind: "end" }];
}

/** Reads tokens by precedence. */
class Reader {
  #next = 0;
  readonly #text: string;
  readonly #tokens: readonly Token[];

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokenize(text);
  }

  read(): SetExpression {
    const whole = this.#binary(0, 0);
    const rest = this.#tokens[this.#next]!;
    if (rest.kind === "close") {
      throw expressionError(this.#text, rest.at, "this parenthesis was never opened");
    }
    if (rest.kind !== "end") {
      throw expressionError(this.#text, rest.at, "an operator is missing before this; write & | - or ^");
    }
    return whole;
  }

  #binary(tighterThan: number, depth: number): SetExpression {
    let left = this.#operand(depth);
    while (true) {
      const token = this.#tokens[this.#next]!;
      const operator = token.kind === "operator" ? OPERATORS[token.text]! : undefined;
      if (!operator || operator.tight <= tighterThan) return left;
      this.#next++;
      left = { type: operator.type, left, right: this.#binary(operator.tight, depth) };
    }
  }

  #operand(depth: number): SetExpression {
    const token = this.#tokens[this.#next++]!;
    if (token.kind === "name") return { type: "name", name: token.text, at: token.at };
    if (token.kind !== "open") {
      throw expressionError(this.#text, token.at, "a name is missing here; write task.link");
    }
    if (depth >= MAX_DEPTH) {
      throw expressionError(
        this.#text,
        token.at,
        `more than ${MAX_DEPTH} parentheses in one another; write it flatter`,
      );
    }
    const inner = this.#binary(0, depth + 1);
    const close = this.#tokens[this.#next++]!;
    if (close.kind === "close") return inner;
    throw close.kind === "end"
      ? expressionError(this.#text, token.at, "this parenthesis is never closed")
      : expressionError(this.#text, close.at, "an operator is missing before this; write & | - or ^");
  }
}

/**
 * Reads a set expression. `-` binds tighter than `&`, then `^`, then `|`; operators of one kind go from left to right.
 *
 * @param text Such as `fetch.pages - (parse.tables | parse.failed)`. A minus inside a name belongs to the name.
 * @returns The expression.
 * @throws {UsageError} When it is none; with a caret beneath the fault.
 */
export function parseSetExpression(text: string): SetExpression {
  return new Reader(text).read();
}
