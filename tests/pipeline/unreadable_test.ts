/** Views that read documents in order to list: one damaged document holds back the jobs whose it is, and no others. */
import assert from "node:assert/strict";
import {
  and,
  except,
  functionTask,
  inhibits,
  input,
  keepingWhere,
  MemoryBlobRepository,
  or,
  type Pipeline,
  related,
  type Repository,
  requires,
  YamlMetadataRepository,
} from "../../mod.ts";
import { KeySpace } from "../../pipeline/key_space.ts";
import { Observer } from "../../pipeline/observer.ts";
import { until } from "../kit/waiting.ts";
import { blobs, inMemory, jobsOf, outcomes, runAll, troubles } from "./kit.ts";

const DAMAGED = "[broken";

/** Books by authors: that of "emma" is known and has a portrait, that of "walden" has none, and that of "alice" cannot be read. */
async function shelf() {
  const books = await blobs("books", "alice", "emma", "walden");
  const raw = new MemoryBlobRepository("raw");
  const authors = new YamlMetadataRepository<string>(raw);
  await authors.set("emma", "austen");
  await authors.set("walden", "thoreau");
  await raw.put("alice", DAMAGED);
  return { books, raw, authors, portraits: await blobs("portraits", "austen", "carroll") };
}

/** A task over the books that heeds one more repository. */
function reading(books: MemoryBlobRepository, gate: ReturnType<typeof requires>): Pipeline {
  const done = outcomes();
  return inMemory([
    functionTask("read", { done, links: { books: input(books), gate } }, () => {}),
  ]) as Pipeline;
}

Deno.test("a damaged document under related() holds back its own job, says so, and is asked again by the next run", async () => {
  const { books, raw, authors, portraits } = await shelf();
  const pipeline = reading(books, requires(related(portraits, authors, { name: "portrait" })));
  assert.deepEqual((await pipeline.plan()).downstream, { read: 0 });
  const { events, summary } = await runAll(pipeline);
  assert.deepEqual(jobsOf(events, "finished"), ["read/emma"]);
  assert.deepEqual([summary.succeeded, summary.failed, summary.stuck], [1, 0, 1]);
  assert.equal(troubles(events).length, 1);
  assert.match(
    troubles(events)[0]!,
    /^Cannot tell whether "alice" is in portrait: Cannot read "alice" of .*correct or delete it$/,
  );
  const why = await pipeline.why("read", "alice");
  assert.equal(why.state, "waiting");
  assert.match(
    why.text,
    /^It waits: whether "alice" is in gate \(portrait\) cannot be told: Cannot read "alice" of /,
  );
  await raw.put("alice", "carroll\n");
  const again = await runAll(pipeline);
  assert.deepEqual([jobsOf(again.events, "finished"), again.summary.stuck], [["read/alice"], 0]);
});

Deno.test("a job whose only input is such a view is known all the same", async () => {
  const { authors, portraits } = await shelf();
  const done = outcomes();
  const links = { portrait: input(related(portraits, authors)) };
  const pipeline = inMemory([functionTask("draw", { done, links }, () => {})]) as Pipeline;
  assert.equal((await pipeline.why("draw", "alice")).state, "waiting");
  assert.equal((await runAll(pipeline)).summary.stuck, 1);
});

Deno.test("a document that is mended, or damaged, while a run goes on is taken as it is then", async () => {
  const { books, raw, authors, portraits } = await shelf();
  const run = reading(books, requires(related(portraits, authors))).run({ forever: true });
  const done: string[] = [];
  const told: string[] = [];
  const reader = (async () => {
    for await (const event of run) {
      if (event.type === "finished") done.push(event.attempt.job);
      if (event.type === "trouble") told.push(event.message);
    }
  })();
  await until(() => done.includes("emma") && told.length === 1);
  await raw.put("alice", "carroll\n");
  await until(() => done.includes("alice"));
  await raw.put("walden", DAMAGED);
  await until(() => told.length === 2);
  assert.match(told[1]!, /^Cannot tell whether "walden" is in /);
  run.stop("drain");
  await reader;
  assert.deepEqual(done, ["emma", "alice"]);
});

Deno.test("what cannot be told neither lets a job start nor ceases to hold it, whichever way it is asked", async () => {
  const gates = {
    "inhibits(related)": (view: Repository) => inhibits(view),
    "requires(except(books, related))": (view: Repository, books: Repository) =>
      requires(except(books, view)),
  };
  for (const [name, gate] of Object.entries(gates)) {
    const { books, raw, authors, portraits } = await shelf();
    await raw.put("no-book", DAMAGED);
    const { events, summary } = await runAll(reading(books, gate(related(portraits, authors), books)));
    assert.deepEqual([jobsOf(events, "finished"), summary.stuck], [["read/walden"], 1], name);
    // What is no book is no job, and "emma" is inhibited in the first case and lacks something in the second.
    assert.equal(summary.tasks.read!.waiting, name.startsWith("inhibits") ? 1 : 2, name);
  }
});

Deno.test("a document that cannot be read under keepingWhere() holds back its own job", async () => {
  const { books, raw, authors } = await shelf();
  const kept = authors.with(keepingWhere((author: string) => author !== "thoreau"));
  const pipeline = reading(books, requires(kept));
  const { events, summary } = await runAll(pipeline);
  assert.deepEqual([jobsOf(events, "finished"), summary.stuck], [["read/emma"], 1]);
  await raw.put("alice", "carroll\n");
  assert.deepEqual(jobsOf((await runAll(pipeline)).events, "finished"), ["read/alice"]);
});

Deno.test("of a view of several it is known what the others decide", async () => {
  const { authors, portraits } = await shelf();
  const view = related(portraits, authors);
  const [some, none] = [await blobs("some", "alice", "emma"), await blobs("none")];
  const observer = new Observer(new KeySpace(), {
    onTrouble: (_, error) => {
      throw error;
    },
    onSkipped: () => {},
    onUnreadable: () => {},
    onSettled: () => {},
  });
  const views: Readonly<Record<string, readonly [Repository, boolean | undefined]>> = {
    related: [view, undefined],
    "and, the other has it": [and(view, some), undefined],
    "and, the other has it not": [and(view, none), false],
    "or, the other has it": [or(view, some), true],
    "or, the other has it not": [or(view, none), undefined],
    "except, what is taken away is there": [except(view, some), false],
    "except, what is taken away is not there": [except(view, none), undefined],
    "except, it is taken away": [except(some, view), undefined],
    "except, it is taken away from nothing": [except(none, view), false],
    "both sides": [and(or(view, none), except(some, none)), undefined],
  };
  const asked = Object.entries(views).map(([name, [repository, expected]]) => ({
    name,
    expected,
    set: observer.observe(repository),
    unreadable: observer.unreadable(repository)!,
  }));
  assert.equal(observer.unreadable(some), undefined);
  await observer.list();
  const alice = [...observer.unreadable(view)!.set][0]!;
  for (const { name, set, unreadable, expected } of asked) {
    const known = unreadable.set.has(alice) ? undefined : set.set.has(alice);
    assert.equal(known, expected, name);
  }
});
