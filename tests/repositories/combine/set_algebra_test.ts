import assert from "node:assert/strict";
import fc from "npm:fast-check@^4";
import { and } from "../../../repositories/combine/and.ts";
import { except } from "../../../repositories/combine/except.ts";
import { filter } from "../../../repositories/combine/filter.ts";
import { or } from "../../../repositories/combine/or.ts";
import { related } from "../../../repositories/combine/related.ts";
import type { AnyRepository } from "../../../repositories/combine/view.ts";
import { MemoryMetadataRepository } from "../../../repositories/memory.ts";

const KEYS = ["a", "b", "c", "d", "e", "f"];
const next = (key: string): string => KEYS[(KEYS.indexOf(key) + 1) % KEYS.length]!;

/** An expression over the parts, as a repository and as what it means. */
type Expression =
  | { op: "part"; index: number }
  | { op: "and" | "or" | "except"; left: Expression; right: Expression }
  | { op: "filter"; of: Expression }
  | { op: "related"; of: Expression };

const { tree: expression } = fc.letrec<{ tree: Expression }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.record({ op: fc.constant("part" as const), index: fc.nat(2) }),
    fc.record({
      op: fc.constantFrom("and" as const, "or" as const, "except" as const),
      left: tie("tree"),
      right: tie("tree"),
    }),
    fc.record({ op: fc.constant("filter" as const), of: tie("tree") }),
    fc.record({ op: fc.constant("related" as const), of: tie("tree") }),
  ),
}));

function build(e: Expression, parts: readonly AnyRepository[]): AnyRepository {
  if (e.op === "part") return parts[e.index]!;
  if (e.op === "filter") return filter(build(e.of, parts), (key) => key !== "b");
  if (e.op === "related") {
    const inverse = (key: string): string => KEYS.find((each) => next(each) === key)!;
    return related(build(e.of, parts), next, { inverse });
  }
  const combine = { and, or, except }[e.op] as (...parts: AnyRepository[]) => AnyRepository;
  return combine(build(e.left, parts), build(e.right, parts));
}

function meaning(e: Expression, parts: readonly Set<string>[]): Set<string> {
  if (e.op === "part") return parts[e.index]!;
  if (e.op === "filter") return new Set([...meaning(e.of, parts)].filter((key) => key !== "b"));
  if (e.op === "related") {
    const of = meaning(e.of, parts);
    return new Set(KEYS.filter((key) => of.has(next(key))));
  }
  const [left, right] = [meaning(e.left, parts), meaning(e.right, parts)];
  return e.op === "and"
    ? left.intersection(right)
    : e.op === "or"
    ? left.union(right)
    : left.difference(right);
}

Deno.test("combinators are the algebra of sets, whatever is put and deleted in between", async () => {
  const step = fc.record({ part: fc.nat(2), key: fc.constantFrom(...KEYS), put: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(expression, fc.array(step, { maxLength: 25 }), async (e, steps) => {
      const parts = [0, 1, 2].map(() => new MemoryMetadataRepository<number>());
      const sets = parts.map(() => new Set<string>());
      const view = build(e, parts);
      for (const [at, { part, key, put }] of steps.entries()) {
        if (put) await parts[part]!.set(key, at);
        else await parts[part]!.delete(key);
        if (put) sets[part]!.add(key);
        else sets[part]!.delete(key);
        if (at % 5 !== 0) continue;
        const expected = meaning(e, sets);
        const listed = await Array.fromAsync(view);
        assert.equal(listed.length, new Set(listed).size, "a key came twice");
        assert.deepEqual(listed.sort(), [...expected].sort());
        for (const each of KEYS) assert.equal(await view.has(each), expected.has(each));
      }
    }),
    { numRuns: 150 },
  );
});
