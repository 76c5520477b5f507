import assert from "node:assert/strict";
import { KeySpace } from "../../pipeline/key_space.ts";
import { Numbering } from "../../pipeline/numbering.ts";

/** The keys in the order of their numbers, after listings that are through in the order in which they stand here. */
async function order(
  ends: number,
  ...listings: (readonly [end: boolean, ...keys: string[]])[]
): Promise<string[]> {
  const space = new KeySpace();
  const numbering = new Numbering(space, listings.length, ends);
  const numbers = await Promise.all(listings.map(([end, ...keys]) => numbering.found(keys, end)));
  listings.forEach(([, ...keys], i) =>
    assert.deepEqual(
      [...numbers[i]!].map((id) => space.key(id)),
      keys,
      "each listing gets the numbers of its keys",
    )
  );
  return Array.from({ length: space.size }, (_, id) => space.key(id));
}

Deno.test("keys are numbered in the order of names, whichever listing is through first", async () => {
  const [source, middle] = [[false, "d", "b", "a"], [false, "c", "b"]] as const;
  assert.deepEqual(await order(0, source, middle), ["a", "b", "c", "d"]);
  assert.deepEqual(await order(0, middle, source), ["a", "b", "c", "d"]);
});

Deno.test("keys for which nothing is left to do need no order, and come first", async () => {
  const source = [false, "e", "d", "c", "b", "a"] as const;
  const [first, second] = [[true, "e", "c", "b"], [true, "b", "e"]] as const;
  for (
    const listings of [[source, first, second], [second, first, source], [first, source, second]] as const
  ) {
    const found = await order(2, ...listings);
    assert.deepEqual(found.slice(0, 2).sort(), ["b", "e"]);
    assert.deepEqual(found.slice(2), ["a", "c", "d"]);
  }
  assert.deepEqual(await order(0, source, first, second), ["a", "b", "c", "d", "e"]);
});
