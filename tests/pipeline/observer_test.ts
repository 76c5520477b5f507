import assert from "node:assert/strict";
import fc from "npm:fast-check@^4";
import {
  type BlobDriver,
  type BlobRepository,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  type MetadataRepository,
  type OperationOptions,
  type Repository,
} from "../../mod.ts";
import { KeySpace } from "../../pipeline/key_space.ts";
import { Observer } from "../../pipeline/observer.ts";
import { and } from "../../repositories/combine/and.ts";
import { except } from "../../repositories/combine/except.ts";
import { filter } from "../../repositories/combine/filter.ts";
import { map } from "../../repositories/combine/map.ts";
import { or } from "../../repositories/combine/or.ts";
import { overlay } from "../../repositories/combine/overlay.ts";
import { related } from "../../repositories/combine/related.ts";
import { keeping } from "../../repositories/layers/keeping.ts";
import { keepingWhere } from "../../repositories/layers/keeping_where.ts";
import { until } from "../kit/waiting.ts";
import { keysOf } from "./kit.ts";

const KEYS = ["a", "b", "c", "d", "e"];

interface World {
  readonly blobs: MemoryBlobRepository[];
  readonly documents: MetadataRepository<string>;
  readonly views: Record<string, Repository>;
}

function world(): World {
  const blobs = ["x", "y", "z"].map((name) => new MemoryBlobRepository(name));
  const [x, y, z] = blobs as [MemoryBlobRepository, MemoryBlobRepository, MemoryBlobRepository];
  const documents = new MemoryMetadataRepository<string>("documents");
  const vowel = (key: string): boolean => key === "a" || key === "e";
  return {
    blobs,
    documents,
    views: {
      x,
      documents,
      and: and(x, y),
      or: or(x, y, z),
      except: except(x, y, z),
      filter: filter(x, vowel),
      keeping: y.with(keeping(vowel)),
      keepingWhere: documents.with(keepingWhere((value) => value === "a" || value === "b")),
      map: map(documents, (value) => value + "!"),
      overlay: overlay(x, y),
      related: related(x, documents),
      nested: and(or(x, filter(y, vowel)), except(or(y, z), and(x, z))),
      relatedToView: related(or(x, y), documents),
      filteredView: filter(or(x, y), vowel),
      viewOfRelated: or(related(x, documents), z),
    },
  };
}

function observe(
  { views }: World,
): { observer: Observer; keys: KeySpace; sees: (name: string) => string[]; settled: () => Promise<void> } {
  const keys = new KeySpace();
  const observer = new Observer(keys, {
    onTrouble: (_, error) => {
      throw error;
    },
    onSkipped: () => {},
    onUnreadable: () => {},
    onSettled: () => {},
  });
  for (const view of Object.values(views)) observer.observe(view);
  return {
    observer,
    keys,
    sees: (name) => [...observer.observed(views[name]!)!.set].map((id) => keys.key(id)).sort(),
    settled: () => until(() => !observer.busy),
  };
}

type Step = readonly [which: number, key: string, value: string | undefined, told: boolean];

async function act(
  { blobs, documents }: World,
  [which, key, value]: Step,
): Promise<BlobRepository | MetadataRepository<string>> {
  const repository = which < 3 ? blobs[which]! : documents;
  if (value === undefined) await repository.delete(key);
  else if (which < 3) await blobs[which]!.put(key, value);
  else await documents.set(key, value);
  return repository;
}

const key = fc.constantFrom(...KEYS);
const steps = fc.array(fc.tuple(fc.nat(3), key, fc.option(key, { nil: undefined }), fc.boolean()), {
  maxLength: 25,
});

Deno.test("Observer sees every view as a full listing would, when all changes are announced", async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(10), async (sequence, before) => {
      const state = world();
      for (const step of sequence.slice(0, before)) await act(state, step);
      const { observer, sees, settled } = observe(state);
      await observer.list();
      for (const step of sequence.slice(before)) {
        const repository = await act(state, step);
        observer.announce(repository, step[1], step[2] !== undefined);
      }
      await settled();
      for (const [name, view] of Object.entries(state.views)) {
        assert.deepEqual(sees(name), await keysOf(view), name);
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("Observer sees every view as a full listing would after a relisting, announced or not", async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), async (sequence, together) => {
      const state = world();
      const { observer, sees, settled } = observe(state);
      await observer.list();
      for (const step of sequence) {
        const repository = await act(state, step);
        if (step[3]) observer.announce(repository, step[1], step[2] !== undefined);
        if (!together) await settled();
      }
      await observer.list();
      await settled();
      for (const [name, view] of Object.entries(state.views)) {
        assert.deepEqual(sees(name), await keysOf(view), name);
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("Observer keeps what is announced while stores are being listed", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const state = world();
      const { observer, sees, settled } = observe(state);
      for (let round = 0; round < 2; round++) {
        const listing = observer.list();
        for (const step of sequence) {
          const repository = await act(state, step);
          observer.announce(repository, step[1], step[2] !== undefined);
        }
        await listing;
        await settled();
        for (const [name, view] of Object.entries(state.views)) {
          assert.deepEqual(sees(name), await keysOf(view), name);
        }
      }
    }),
    { numRuns: 40 },
  );
});

Deno.test("Observer passes on what was written through a view to the store beneath, and to other views of it", async () => {
  const store = new MemoryBlobRepository("store");
  const target = new MemoryBlobRepository("target");
  const names = new MemoryMetadataRepository<string>("names");
  await names.set("job", "other");
  const views = {
    store,
    target,
    passing: filter(store, (key) => key !== "no"),
    layered: store.with(keeping(() => true)),
    over: overlay(store, target),
    through: related(target, names, { writable: true }),
  };
  const { observer, sees, settled } = observe({ blobs: [], documents: names, views });
  await observer.list();
  await views.passing.put("one", "");
  observer.announce(views.passing, "one", true);
  await settled();
  assert.deepEqual([sees("store"), sees("passing"), sees("layered"), sees("over")], [["one"], ["one"], [
    "one",
  ], ["one"]]);
  await views.over.put("two", "");
  observer.announce(views.over, "two", true);
  await settled();
  assert.deepEqual([sees("store"), sees("over"), sees("passing")], [["one", "two"], ["one", "two"], [
    "one",
    "two",
  ]]);
  await views.through.put("job", "");
  observer.announce(views.through, "job", true);
  await settled();
  assert.deepEqual([sees("through"), sees("target")], [["job"], ["other"]]);
});

Deno.test("Observer lists a store once, however many links and layers lead to it", async () => {
  const store = new MemoryBlobRepository("store");
  let listings = 0;
  const counted = store.with((inner: BlobDriver) => ({
    ...inner,
    keys(options?: OperationOptions) {
      listings++;
      return inner.keys(options);
    },
  }));
  const views = {
    a: counted,
    b: counted.with((inner: BlobDriver) => ({ ...inner, derived: { by: "same" as const, parts: [inner] } })),
    c: or(counted, counted),
  };
  const { observer } = observe({ blobs: [], documents: new MemoryMetadataRepository<string>(), views });
  await observer.list();
  assert.equal(listings, 1);
});

Deno.test("Observer.list fails at the first listing, and only tells of trouble at later ones", async () => {
  let broken = true;
  const store = new MemoryBlobRepository("store");
  await store.put("a", "");
  const flaky = store.with((inner: BlobDriver) => ({
    ...inner,
    async *keys() {
      if (broken) throw new Error("no answer");
      yield* inner.keys();
    },
  }));
  const told: string[] = [];
  const observer = new Observer(new KeySpace(), {
    onTrouble: (repository, error) => told.push(`${repository.name}: ${(error as Error).message}`),
    onSkipped: () => {},
    onUnreadable: () => {},
    onSettled: () => {},
  });
  const { set } = observer.observe(flaky);
  await assert.rejects(observer.list(), { message: "Cannot list store: no answer" });
  broken = false;
  assert.equal(await observer.list(), true);
  broken = true;
  assert.equal(await observer.list(), false);
  assert.deepEqual(told, ["store: Cannot list store: no answer"]);
  assert.equal(set.size, 0, "the set that was there before");
  assert.equal(observer.observed(flaky)!.set.size, 1, "what was known stays known");
});

Deno.test("Observer asks a view again when its part changes while it answers", async () => {
  const store = new MemoryBlobRepository("store");
  const answers: PromiseWithResolvers<boolean>[] = [];
  let asked = 0;
  const view = filter(store, () => true);
  const slow = {
    ...view.driver,
    has: () => (answers[asked++] ??= Promise.withResolvers<boolean>()).promise,
  };
  const repository = new MemoryBlobRepository("view").with(() => slow);
  const { observer, keys, settled } = observe({
    blobs: [],
    documents: new MemoryMetadataRepository<string>(),
    views: { repository },
  });
  await observer.list();
  answers[0] = Promise.withResolvers();
  answers[1] = Promise.withResolvers();
  observer.announce(store, "a", true);
  await until(() => asked === 1);
  observer.announce(store, "a", false);
  answers[0].resolve(true);
  answers[1].resolve(false);
  await settled();
  assert.equal(asked, 2);
  assert.equal(observer.observed(repository)!.set.has(keys.id("a")), false);
});

Deno.test("Observer does not take an answer that is older than the listing under way", async () => {
  const store = new MemoryBlobRepository("store");
  const view = filter(store, () => true);
  const answers: PromiseWithResolvers<boolean>[] = [];
  let asked = 0;
  const page = Promise.withResolvers<void>();
  let slow = false;
  const repository = new MemoryBlobRepository("view").with((): BlobDriver => ({
    ...view.driver,
    has: () => (answers[asked++] = Promise.withResolvers<boolean>()).promise,
    async *keys() {
      if (slow) await page.promise;
      yield [];
    },
  }));
  const { observer, keys, settled } = observe({
    blobs: [],
    documents: new MemoryMetadataRepository<string>(),
    views: { repository },
  });
  await observer.list();
  observer.announce(store, "a", true);
  await until(() => asked === 1);
  slow = true;
  const listing = observer.list();
  answers[0]!.resolve(true);
  await until(() => asked === 2);
  answers[1]!.resolve(false);
  page.resolve();
  await listing;
  await settled();
  assert.equal(observer.observed(repository)!.set.has(keys.id("a")), false);
});
