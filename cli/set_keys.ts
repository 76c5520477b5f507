/**
 * The keys that a set expression stands for, as they are found.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import type { SetExpression } from "./set_expression.ts";

/** The keys of a repository, in pages. */
export type KeySource = (name: string) => AsyncIterable<readonly Key[]>;

async function collect(expression: SetExpression, source: KeySource): Promise<Set<Key>> {
  const keys = new Set<Key>();
  for await (const page of keysOf(expression, source)) for (const key of page) keys.add(key);
  return keys;
}

async function* filtered(
  pages: AsyncIterable<readonly Key[]>,
  keep: (key: Key) => boolean,
): AsyncGenerator<readonly Key[], void, void> {
  for await (const page of pages) {
    const kept = page.filter(keep);
    if (kept.length > 0) yield kept;
  }
}

/**
 * The keys that an expression stands for. The left side of an operator streams; of the right side the keys are held in memory.
 *
 * @param expression The expression.
 * @param source Where the keys of a name come from.
 * @returns Pages of keys, each key once, in no order.
 */
export async function* keysOf(
  expression: SetExpression,
  source: KeySource,
): AsyncGenerator<readonly Key[], void, void> {
  if (expression.type === "name") return yield* source(expression.name);
  const { left, right } = expression;
  if (expression.type === "or") {
    const seen = new Set<Key>();
    const fresh = (key: Key): boolean => !seen.has(key) && !!seen.add(key);
    yield* filtered(keysOf(left, source), fresh);
    return yield* filtered(keysOf(right, source), fresh);
  }
  const others = await collect(right, source);
  if (expression.type === "and") return yield* filtered(keysOf(left, source), (key) => others.has(key));
  if (expression.type === "minus") return yield* filtered(keysOf(left, source), (key) => !others.has(key));
  yield* filtered(keysOf(left, source), (key) => !others.delete(key));
  if (others.size > 0) yield [...others];
}

/**
 * Calls a function for each name in an expression.
 *
 * @param expression The expression.
 * @param visit Gets the name and where it stands in the text.
 */
export function visitNames(expression: SetExpression, visit: (name: string, at: number) => void): void {
  if (expression.type === "name") return visit(expression.name, expression.at);
  visitNames(expression.left, visit);
  visitNames(expression.right, visit);
}
