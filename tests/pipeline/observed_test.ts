import assert from "node:assert/strict";
import { type KeyDriver, MemoryBlobRepository, Repository } from "../../mod.ts";
import { KeySpace } from "../../pipeline/key_space.ts";
import { ObservedKeys } from "../../pipeline/observed.ts";

/** A store that hands out its pages one at a time, when it is told to. */
class SlowStore {
  readonly #pages: PromiseWithResolvers<readonly string[] | undefined>[] = [];
  #taken = 0;
  listings = 0;
  readonly repository: Repository;

  constructor() {
    const inner = new MemoryBlobRepository("slow");
    const list = () => this.#list();
    const driver: KeyDriver = { ...inner.driver, keys: list };
    this.repository = new Repository(driver);
  }

  async *#list(): AsyncGenerator<readonly string[], void, void> {
    this.listings++;
    for (;;) {
      const page = await this.#at(this.#taken++).promise;
      if (!page) return;
      yield page;
    }
  }

  #at(n: number): PromiseWithResolvers<readonly string[] | undefined> {
    return this.#pages[n] ??= Promise.withResolvers();
  }

  #given = 0;
  page(keys?: readonly string[]): void {
    this.#at(this.#given++).resolve(keys);
  }
}

function members(observed: ObservedKeys, keys: KeySpace): string[] {
  return [...observed.set].map((id) => keys.key(id)).sort();
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("ObservedKeys.list takes what the store says, and tells what came and went", async () => {
  const keys = new KeySpace();
  const store = new MemoryBlobRepository("store");
  const observed = new ObservedKeys(store, keys);
  await store.put("b", "");
  await store.put("a", "");
  assert.equal(await observed.list(), true);
  assert.deepEqual([...observed.set].map((id) => keys.key(id)), ["a", "b"], "numbered in the order of names");
  assert.equal(await observed.list(), false);
  const told: string[] = [];
  observed.subscribe((ids) => told.push(...[...ids].map((id) => keys.key(id))));
  await store.delete("a");
  await store.put("c", "");
  assert.equal(await observed.list(), true);
  assert.deepEqual(told.sort(), ["a", "c"]);
});

Deno.test("ObservedKeys.list keeps what was announced while it was under way, whatever its pages say", async () => {
  const keys = new KeySpace();
  const store = new SlowStore();
  const observed = new ObservedKeys(store.repository, keys);
  for (const first of [true, false]) {
    const listing = observed.list();
    store.page(["old", "gone"]);
    await turn();
    observed.announce("new", true);
    observed.announce("gone", false);
    store.page(["other"]);
    store.page();
    await listing;
    assert.deepEqual(
      members(observed, keys),
      ["new", "old", "other"],
      first ? "first listing" : "later listing",
    );
  }
});

Deno.test("ObservedKeys.list waits for the listing before, so that old news never replaces new", async () => {
  const keys = new KeySpace();
  const store = new SlowStore();
  const observed = new ObservedKeys(store.repository, keys);
  const one = observed.list();
  const two = observed.list();
  store.page(["a"]);
  await turn();
  assert.equal(store.listings, 1);
  observed.announce("b", true);
  store.page();
  await one;
  assert.deepEqual(members(observed, keys), ["a", "b"]);
  store.page(["c"]);
  store.page();
  await two;
  assert.deepEqual([store.listings, members(observed, keys)], [2, ["c"]]);
});

Deno.test("ObservedKeys.list that fails changes nothing, and the next one works", async () => {
  const keys = new KeySpace();
  const inner = new MemoryBlobRepository("store");
  await inner.put("a", "");
  let broken = true;
  const observed = new ObservedKeys(
    new Repository({
      ...inner.driver,
      async *keys() {
        if (broken) throw new Error("no answer");
        yield* inner.driver.keys();
      },
    } as KeyDriver),
    keys,
  );
  await assert.rejects(observed.list(), { message: "Cannot list store: no answer" });
  assert.equal(observed.listedAt, undefined);
  assert.equal(observed.set.size, 0);
  broken = false;
  assert.equal(await observed.list(), true);
  assert.deepEqual(members(observed, keys), ["a"]);
});

Deno.test("ObservedKeys tells of names that are no keys once, and again when they change", async () => {
  const told: [string, readonly string[], number][] = [];
  let names = ["ok", "../etc"];
  const observed = new ObservedKeys(
    new Repository({
      ...new MemoryBlobRepository("store").driver,
      async *keys() {
        yield await Promise.resolve(names);
      },
    } as KeyDriver),
    new KeySpace(),
    { onSkipped: (...args) => told.push(args) },
  );
  await observed.list();
  await observed.list();
  names = ["ok", "../etc", " "];
  await observed.list();
  assert.deepEqual(told, [["store", ["../etc"], 1], ["store", ["../etc", " "], 2]]);
  assert.equal(observed.set.size, 1);
});

Deno.test("ObservedKeys.announce tells of a value that may be new, though the key was there", () => {
  const observed = new ObservedKeys(new MemoryBlobRepository("store"), new KeySpace());
  let told = 0;
  observed.subscribe((ids) => told += [...ids].length);
  observed.announce("a", true);
  observed.announce("a", true);
  observed.announce("a", false);
  assert.equal(told, 3);
});
