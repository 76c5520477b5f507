import assert from "node:assert/strict";
import fc from "npm:fast-check@^4";
import { allOf, anyOf, butNot } from "../../pipeline/derived_set.ts";
import { changed, difference, intersection, KeySet, union } from "../../pipeline/key_set.ts";
import { KeySpace } from "../../pipeline/key_space.ts";
import { type LiveSet, SubscribableSet } from "../../pipeline/observed.ts";

const ids = fc.array(fc.nat(5000), { maxLength: 200 });

function keySet(members: Iterable<number>): KeySet {
  const set = new KeySet();
  for (const id of members) set.add(id);
  return set;
}

const sorted = (set: Iterable<number>): number[] => [...set].sort((a, b) => a - b);

Deno.test("KeySet does what a Set of numbers does", () => {
  const step = fc.tuple(fc.constantFrom("add", "delete", "put"), fc.nat(3000), fc.boolean());
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const set = new KeySet();
    const model = new Set<number>();
    for (const [what, id, present] of steps) {
      const had = model.has(id);
      const want = what === "add" || (what === "put" && present);
      const did = what === "add" ? set.add(id) : what === "delete" ? set.delete(id) : set.set(id, present);
      if (want) model.add(id);
      else model.delete(id);
      assert.equal(did, had !== want);
      assert.equal(set.has(id), want);
      assert.equal(set.size, model.size);
    }
    assert.deepEqual([...set], sorted(model));
    assert.deepEqual([...set.clone()], sorted(model));
  }));
});

Deno.test("KeySet.next finds the smallest member from a number on", () => {
  fc.assert(fc.property(ids, fc.nat(6000), (members, from) => {
    const expected = sorted(new Set(members)).find((id) => id >= from) ?? -1;
    assert.equal(keySet(members).next(from), expected);
  }));
});

Deno.test("KeySet.clone is independent of the set it was made from", () => {
  const set = keySet([1, 31, 32, 63, 64]);
  const copy = set.clone();
  set.delete(31);
  copy.add(1000);
  assert.deepEqual([[...set], [...copy]], [[1, 32, 63, 64], [1, 31, 32, 63, 64, 1000]]);
});

Deno.test("union, intersection, difference and changed do what they do on Sets, whatever the lengths", () => {
  fc.assert(fc.property(fc.array(ids, { minLength: 1, maxLength: 4 }), (lists) => {
    const [a, ...rest] = lists.map((list) => new Set(list));
    const [x, ...others] = lists.map(keySet);
    const expect = (set: KeySet, model: Set<number>): void => {
      assert.deepEqual([...set], sorted(model));
      assert.equal(set.size, model.size);
    };
    expect(union([x!, ...others]), rest.reduce((sum, set) => sum.union(set), a!));
    expect(intersection([x!, ...others]), rest.reduce((sum, set) => sum.intersection(set), a!));
    expect(difference(x!, others), rest.reduce((sum, set) => sum.difference(set), a!));
    expect(changed(x!, others[0] ?? new KeySet()), a!.symmetricDifference(rest[0] ?? new Set()));
    // What was computed shares nothing with what it came from.
    const before = sorted(x!);
    union([x!, ...others]).add(7);
    difference(x!, []).add(8);
    assert.deepEqual(sorted(x!), before);
  }));
});

Deno.test("union and intersection of nothing are empty", () => {
  assert.equal(union([]).size, 0);
  assert.equal(intersection([]).size, 0);
});

Deno.test("KeySpace gives each key one number for ever", () => {
  fc.assert(fc.property(fc.array(fc.string({ minLength: 1, maxLength: 4 })), (keys) => {
    const space = new KeySpace();
    const given = keys.map((key) => space.id(key));
    assert.deepEqual(keys.map((key) => space.id(key)), given);
    assert.deepEqual(given.map((id) => space.key(id)), keys);
    assert.deepEqual(keys.map((key) => space.known(key)), given);
    assert.equal(space.size, new Set(keys).size);
    assert.equal(space.known("never seen before"), undefined);
  }));
});

/** A view of a derived set as a listener sees it: it must come to the same as the set itself. */
class Mirror {
  readonly seen: Set<number>;
  constructor(readonly of: LiveSet) {
    this.seen = new Set(of.set);
    of.subscribe((ids) => {
      for (const id of ids) of.set.has(id) ? this.seen.add(id) : this.seen.delete(id);
    });
  }
}

Deno.test("anyOf, allOf and butNot follow their sources, one change or many at once, and tell every change", () => {
  const change = fc.tuple(fc.nat(2), fc.array(fc.nat(9000), { maxLength: 40 }), fc.boolean(), fc.boolean());
  fc.assert(
    fc.property(fc.array(change, { maxLength: 20 }), fc.boolean(), (changes, bulk) => {
      const sources = [new SubscribableSet(), new SubscribableSet(), new SubscribableSet()];
      const [a, b, c] = sources as [SubscribableSet, SubscribableSet, SubscribableSet];
      const derived: [LiveSet, (x: boolean, y: boolean, z: boolean) => boolean][] = [
        [anyOf([a, b, c]), (x, y, z) => x || y || z],
        [allOf([a, b, c]), (x, y, z) => x && y && z],
        [butNot(a, [b, c]), (x, y, z) => x && !y && !z],
        [butNot(allOf([a, anyOf([b, c])]), [allOf([b, c])]), (x, y, z) => x && y !== z],
      ];
      const mirrors = derived.map(([set]) => new Mirror(set));
      const touched = new Set<number>();
      for (const [which, list, present, replace] of changes) {
        const source = sources[which]!;
        const all = bulk ? [...list, ...Array.from({ length: 5000 }, (_, i) => i)] : list;
        if (replace) source.replace(union([source.set.clone(), keySet(present ? all : [])]));
        else for (const id of list) source.put(id, present);
        for (const id of list) touched.add(id);
        for (const [i, [set, model]] of derived.entries()) {
          for (const id of touched) {
            const expected = model(a.set.has(id), b.set.has(id), c.set.has(id));
            assert.equal(set.set.has(id), expected, `set ${i}, id ${id}`);
          }
          assert.deepEqual(sorted(mirrors[i]!.seen), [...set.set], `listener of set ${i}`);
        }
      }
    }),
    { numRuns: 40 },
  );
});

Deno.test("anyOf, allOf and butNot of one set are that set", () => {
  const set = new SubscribableSet();
  assert.equal(anyOf([set]), set);
  assert.equal(allOf([set]), set);
  assert.equal(butNot(set, []), set);
});

Deno.test("A derived set passes on that a member may have a new value, and nothing of what is not in it", () => {
  const [a, b] = [new SubscribableSet(), new SubscribableSet()];
  a.put(1, true);
  a.put(2, true);
  b.put(2, true);
  const told: number[] = [];
  butNot(a, [b]).subscribe((ids) => told.push(...ids));
  a.tell([1, 2]);
  assert.deepEqual(told, [1]);
});
