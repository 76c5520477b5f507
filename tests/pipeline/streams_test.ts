import assert from "node:assert/strict";
import {
  allocated,
  field,
  functionTask,
  type FunctionTaskOptions,
  input,
  type Links,
  lookup,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  outputs,
  Pipeline,
  type Pool,
  requires,
  stream,
  type Task,
} from "../../mod.ts";
import { faulty } from "../../testing/faulty.ts";
import { ManualClock } from "../../testing/manual_clock.ts";
import { until } from "../kit/waiting.ts";
import {
  blobs,
  copy,
  counting,
  inMemory,
  jobsOf,
  keysOf,
  outcomes,
  runAll,
  runByHand,
  troubles,
} from "./kit.ts";

const fail = (): never => {
  throw new Error("no");
};

/** A task that publishes the words of each of its values, one by one. */
function split(
  from: MemoryBlobRepository,
  into: MemoryBlobRepository,
  options: Partial<FunctionTaskOptions<Links>> = {},
  between: (job: string, n: number) => unknown = () => {},
): Task {
  return functionTask("split", {
    done: outcomes("split-done"),
    ...options,
    links: { from: input(from), into: outputs(into) },
  }, async ({ job, from, into }) => {
    for (const [n, word] of (await from.text()).split(" ").entries()) {
      await into.write(`${n}`, word);
      await between(job, n);
    }
  });
}

/** A task that notes what comes to each of its jobs. */
function collect(
  jobs: MemoryBlobRepository,
  items: MemoryBlobRepository,
  seen: Record<string, string[]>,
  options: Partial<FunctionTaskOptions<Links>> = {},
): Task {
  return functionTask("collect", {
    done: outcomes("collect-done"),
    ...options,
    links: { jobs: requires(jobs), items: stream(items, { of: allocated() }) },
  }, async ({ job, items }) => {
    seen[job] = [];
    for await (const item of items) seen[job]!.push(await item.text());
  });
}

async function texts(values: Record<string, string>): Promise<MemoryBlobRepository> {
  const repository = new MemoryBlobRepository("books");
  for (const [key, value] of Object.entries(values)) await repository.put(key, value);
  return repository;
}

Deno.test("Items come to the job they were made for, one by one, while their maker is still at work", async () => {
  const books = await texts({ emma: "a b c", walden: "d e" });
  const words = new MemoryBlobRepository("words");
  const seen: Record<string, string[]> = {};
  const made = split(books, words, {}, (job, n) => until(() => seen[job]?.length === n + 1));
  const { summary } = await runAll(inMemory([collect(books, words, seen), made]));
  assert.equal(summary.succeeded, 4);
  assert.deepEqual(seen, { emma: ["a", "b", "c"], walden: ["d", "e"] });
});

Deno.test("A stream without a relation brings every item to every job: what was there, and what comes", async () => {
  const books = await texts({ emma: "a b" });
  const [jobs, words] = [await blobs("jobs", "1", "2"), await blobs("words", "old")];
  const seen: Record<string, number> = {};
  const count = functionTask("count", {
    done: outcomes("count-done"),
    links: { jobs: requires(jobs), words: stream(words) },
  }, async ({ job, words }) => {
    const keys: string[] = [];
    for await (const { key } of words) keys.push(key);
    assert.equal(new Set(keys).size, keys.length);
    seen[job] = keys.length;
  });
  await runAll(inMemory([count, split(books, words)]));
  assert.deepEqual(seen, { 1: 3, 2: 3 });
});

Deno.test("Items are related by a function of their key", async () => {
  const [jobs, pages] = [
    await blobs("jobs", "emma", "walden"),
    await blobs("pages", "emma.1", "walden.1", "emma.2"),
  ];
  const seen: Record<string, string[]> = {};
  const read = functionTask("read", {
    done: outcomes(),
    links: { jobs: requires(jobs), pages: stream(pages, { of: (page) => page.split(".")[0] }) },
  }, async ({ job, pages }) => {
    seen[job] = (await Array.fromAsync(pages)).map(({ key }) => key).sort();
  });
  await runAll(inMemory([read]));
  assert.deepEqual(seen, { emma: ["emma.1", "emma.2"], walden: ["walden.1"] });
});

Deno.test("Items are related by a field of a cokeyed document, compared with a field of the job's own", async () => {
  const sources = await blobs("sources", "s1", "s2");
  const pages = new MemoryBlobRepository("pages");
  const meta = new MemoryMetadataRepository<{ author: string; n: number }>("meta");
  const books = new MemoryMetadataRepository<{ by: string }>("books");
  await books.set("emma", { by: "austen" });
  await books.set("walden", { by: "thoreau" });
  const make = functionTask("make", {
    done: outcomes("make-done"),
    links: {
      sources: input(sources),
      pages: outputs(pages, {
        cokeyed: { meta },
        values: { meta: ({ job }) => ({ author: job === "s1" ? "austen" : "thoreau" }) },
      }),
    },
  }, async ({ pages, job }) => {
    for (const n of [1, 2]) await pages.write(`${n}`, `${job} ${n}`, { meta: { n } });
  });
  const seen: Record<string, unknown[]> = {};
  const read = functionTask("read", {
    done: outcomes("read-done"),
    links: {
      books: input(books),
      pages: stream(pages, { cokeyed: { meta }, of: field("meta.author"), key: field("books.by") }),
    },
  }, async ({ job, pages }) => {
    seen[job] = [];
    for await (const page of pages) seen[job]!.push([await page.text(), (await page.meta.get()).n]);
  });
  const { summary } = await runAll(inMemory([read, make]));
  assert.equal(summary.succeeded, 4);
  assert.deepEqual(seen, { emma: [["s1 1", 1], ["s1 2", 2]], walden: [["s2 1", 1], ["s2 2", 2]] });
});

Deno.test("An item is found when the document that relates it comes later, and a broken document hides no other", async () => {
  const [jobs, pages] = [await blobs("jobs", "emma"), await blobs("pages", "p1", "p2", "p3")];
  const about = new MemoryMetadataRepository<{ book?: string }>("about");
  await about.set("p1", { book: "emma" });
  await about.set("p2", { book: "no key at all" });
  const late = functionTask("late", {
    done: outcomes("late-done"),
    links: { jobs: requires(jobs), about: outputs(about, { keys: "name" }) },
  }, ({ about }) => about.write("p3", { book: "emma" }));
  const seen: string[] = [];
  const read = functionTask("read", {
    done: outcomes("read-done"),
    links: { jobs: requires(jobs), about: lookup(about), pages: stream(pages, { of: field("about.book") }) },
  }, async ({ pages }) => {
    for await (const { key } of pages) seen.push(key);
  });
  // The pages have no maker: whoever writes the documents brings the items.
  const pipeline = inMemory([late, read]);
  await runAll(pipeline, { tasks: ["late"] });
  await runAll(pipeline);
  assert.deepEqual(seen.sort(), ["p1", "p3"]);
});

Deno.test("An item whose document changes comes to the job that it is for then", async () => {
  const [jobs, pages] = [await blobs("jobs", "emma", "walden"), await blobs("pages", "p1")];
  const about = new MemoryMetadataRepository<{ book: string }>("about");
  await about.set("p1", { book: "emma" });
  const seen: Record<string, string[]> = { emma: [], walden: [] };
  const correct = functionTask("correct", {
    done: outcomes("correct-done"),
    links: { jobs: requires(jobs), pages: outputs(pages), about: outputs(about, { keys: "name" }) },
  }, async ({ job, about }) => {
    await until(() => seen.emma!.length === 1);
    if (job === "emma") await about.write("p1", { book: "walden" });
  });
  const read = functionTask("read", {
    done: outcomes("read-done"),
    links: { jobs: requires(jobs), about: lookup(about), pages: stream(pages, { of: field("about.book") }) },
  }, async ({ job, pages }) => {
    for await (const { key } of pages) seen[job]!.push(key);
  });
  await runAll(inMemory([read, correct]));
  assert.deepEqual(seen, { emma: ["p1"], walden: ["p1"] });
});

Deno.test("A job that starts with its first item waits for one, and why says so", async () => {
  const books = await texts({ emma: "a" });
  const jobs = await blobs("jobs", "emma", "walden");
  const words = new MemoryBlobRepository("words");
  const first = functionTask("first", {
    done: outcomes("first-done"),
    links: { jobs: requires(jobs), words: stream(words, { of: allocated(), start: "first" }) },
  }, async ({ words }) => assert.equal((await Array.fromAsync(words)).length, 1));
  const any = functionTask("any", {
    done: outcomes("any-done"),
    links: { jobs: requires(jobs), words: stream(words, { start: "first" }) },
  }, async ({ words }) => assert.equal((await Array.fromAsync(words)).length, 1));
  const pipeline = inMemory([first, any, split(books, words)]);
  const before = await pipeline.why("any", "walden");
  assert.equal(before.state, "waiting");
  assert.match(before.text, /no item for it is in words \(words\) yet, and it starts with the first/);
  const { events, summary } = await runAll(pipeline);
  assert.deepEqual(jobsOf(events, "started").sort(), ["any/emma", "any/walden", "first/emma", "split/emma"]);
  assert.deepEqual([summary.tasks.first!.waiting, summary.failed], [1, 0]);
  const why = await pipeline.why("first", "walden");
  assert.deepEqual(
    [why.state, why.conditions.map(({ state, text }) => [state, text])],
    ["waiting", [
      ["met", '"walden" is in jobs (jobs)'],
      ["unmet", "no item for it is in words (words) yet, and it starts with the first"],
      ["met", "items of words (words) come to it while it runs: 0 so far, no more can come"],
    ]],
  );
});

Deno.test("What an attempt has published stays when it fails; the next publishes it under the same keys", async () => {
  const books = await texts({ emma: "a b", walden: "c" });
  const words = new MemoryBlobRepository("words");
  const seen: Record<string, string[]> = {};
  let attempts = 0;
  const made = split(books, words, { retry: { attempts: 2, delay: 1 } }, (job, n) => {
    if (job === "walden") fail();
    if (job === "emma" && n === 1 && ++attempts === 1) fail();
  });
  const { summary } = await runAll(inMemory([collect(books, words, seen), made]));
  assert.deepEqual([summary.succeeded, summary.failed], [3, 1]);
  assert.deepEqual(seen, { emma: ["a", "b"], walden: ["c"] }, "each once, the failed job's too");
  assert.equal((await keysOf(words)).length, 3);
});

Deno.test("A job that is tried again gets its stream from the beginning", async () => {
  const books = await texts({ emma: "a b" });
  const words = new MemoryBlobRepository("words");
  const seen: string[] = [];
  const read = functionTask("read", {
    done: outcomes("read-done"),
    retry: { attempts: 2, delay: 1 },
    links: { books: requires(books), words: stream(words, { of: allocated() }) },
  }, async ({ attempt, words }) => {
    for await (const word of words) {
      seen.push(`${attempt} ${await word.text()}`);
      if (attempt === 1) fail();
    }
  });
  await runAll(inMemory([read, split(books, words)]));
  assert.deepEqual(seen, ["1 a", "2 a", "2 b"]);
});

Deno.test("A body may go through its stream twice, and may leave it early", async () => {
  const books = await texts({ emma: "a b" });
  const words = new MemoryBlobRepository("words");
  const seen: string[] = [];
  const read = functionTask("read", {
    done: outcomes("read-done"),
    links: { books: requires(books), words: stream(words, { of: allocated() }) },
  }, async ({ words }) => {
    for await (const word of words) {
      seen.push(await word.text());
      break;
    }
    for await (const word of words) seen.push(await word.text());
  });
  const { summary } = await runAll(inMemory([read, split(books, words)]));
  assert.deepEqual([summary.succeeded, seen], [2, ["a", "a", "b"]]);
});

Deno.test("A stream ends at once where nobody brings anything: no maker, a disabled one, one that is not run", async () => {
  const [jobs, words] = [await blobs("jobs", "emma"), await blobs("words", "w")];
  const read = functionTask("read", {
    done: outcomes("read-done"),
    links: { jobs: requires(jobs), words: stream(words) },
  }, async ({ words, log }) => log((await Array.fromAsync(words)).length));
  const made = (disabled: boolean): Task => split(jobs, words, { disabled });
  for (
    const [tasks, options] of [[[read], {}], [[read, made(true)], {}], [[read, made(false)], {
      tasks: ["read"],
    }]] as const
  ) {
    const pipeline = inMemory(tasks);
    const { events } = await runAll(pipeline, options);
    assert.deepEqual(events.flatMap((event) => event.type === "log" ? [event.line] : []), ["1"]);
    await pipeline.remove(await pipeline.removals("read", ["emma"]));
  }
});

Deno.test("A stream ends only when nothing upstream of its makers can bring more either", async () => {
  const books = await texts({ emma: "a b c" });
  const [words, shouted] = [new MemoryBlobRepository("words"), new MemoryBlobRepository("shouted")];
  const jobs = await blobs("jobs", "all");
  const seen: string[] = [];
  const read = functionTask("read", {
    done: outcomes("read-done"),
    links: { jobs: requires(jobs), shouted: stream(shouted) },
  }, async ({ shouted }) => {
    for await (const word of shouted) seen.push(await word.text());
  });
  const shout = functionTask("shout", {
    done: outcomes("shout-done"),
    links: { word: input(words), shouted: output(shouted) },
  }, async ({ word, shouted }) => await shouted.write((await word.text()).toUpperCase()));
  const slow = split(books, words, {}, async () => await until(() => seen.length > 0));
  const { summary } = await runAll(inMemory([read, shout, slow]));
  assert.deepEqual([summary.succeeded, seen.sort()], [5, ["A", "B", "C"]]);
});

Deno.test("A stream ends when what its maker waits for is nobody's to bring, and when its maker is blocked", async () => {
  const [books, approved, other, broken] = [
    await texts({ emma: "a" }),
    await blobs("approved"),
    await blobs("other"),
    await blobs("broken"),
  ];
  const words = new MemoryBlobRepository("words");
  const seen: Record<string, string[]> = {};
  const never = functionTask("never", {
    done: outcomes("never-done"),
    links: { books: input(books), approved: requires(approved), words: outputs(words) },
  }, fail);
  const bad = copy("bad", books, other, {}, fail);
  const blocked = functionTask("blocked", {
    done: outcomes("blocked-done"),
    links: { other: input(other), books: requires(books), broken: requires(broken), words: outputs(words) },
  }, fail);
  const { summary } = await runAll(inMemory([collect(books, words, seen), never, bad, blocked]));
  assert.deepEqual([summary.succeeded, summary.failed, seen], [1, 1, { emma: [] }]);
});

const narrow = (width: number, name = "narrow"): Pool => ({ name, capacity: {}, width });

for (const width of [1, 2, 3]) {
  Deno.test(`Jobs that wait for others never hold the room that these need: ${width} at a time`, async () => {
    const books = await texts({ 1: "a b", 2: "c", 3: "d e", 4: "f" });
    const [words, lengths] = [new MemoryBlobRepository("words"), new MemoryBlobRepository("lengths")];
    const pool = narrow(width);
    const measure = functionTask("measure", {
      done: outcomes("measure-done"),
      pool,
      priority: 5,
      links: { books: requires(books), words: stream(words), lengths: outputs(lengths) },
    }, async ({ words, lengths }) => {
      for await (const word of words) {
        await lengths.write(word.key.slice(0, 1), `${(await word.text()).length}`);
      }
    });
    const total = functionTask("total", {
      done: outcomes("total-done"),
      pool,
      priority: 9,
      links: { books: requires(books), lengths: stream(lengths) },
    }, async ({ lengths }) => void await Array.fromAsync(lengths));
    const made = split(books, words, { pool, retry: { attempts: 2, delay: 1 } } as never);
    const { summary } = await runAll(inMemory([total, measure, made]));
    assert.deepEqual([summary.succeeded, summary.stuck], [12, 0]);
  });
}

Deno.test("Tasks that stream from each other end when all of them wait", async () => {
  const seeds = await blobs("seeds", "crawl");
  const [addresses, pages] = [await blobs("addresses", "home"), new MemoryBlobRepository("pages")];
  const found: Record<string, string[]> = { home: ["a", "b"], a: ["b", "c"], b: [], c: ["home"] };
  const seen = new Set<string>();
  const fetch = functionTask("fetch", {
    done: outcomes("fetch-done"),
    links: { address: input(addresses), pages: output(pages) },
  }, async ({ job, pages }) => await pages.write(job));
  const crawl = functionTask("crawl", {
    done: outcomes("crawl-done"),
    links: {
      seeds: requires(seeds),
      pages: stream(pages),
      addresses: outputs(addresses, { keys: "name" }),
    },
  }, async ({ pages, addresses }) => {
    for await (const { key } of pages) {
      seen.add(key);
      for (const next of found[key]!) if (!seen.has(next)) await addresses.write(next, next);
    }
  });
  const { summary } = await runAll(inMemory([crawl, fetch]));
  assert.deepEqual([summary.succeeded, [...seen].sort()], [5, ["a", "b", "c", "home"]]);
});

Deno.test("A long-running maker keeps a stream open until it ends", async () => {
  const books = await texts({ emma: "" });
  const words = new MemoryBlobRepository("words");
  const seen: Record<string, string[]> = {};
  const clock = new ManualClock();
  const feedWords = functionTask("feed", {
    done: outcomes("feed-done"),
    longRunning: true,
    timeout: "1h",
    links: { books: requires(books), words: outputs(words) },
  }, async ({ words, signal }) => {
    await words.write("1", "a");
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  const run = inMemory([collect(books, words, seen), feedWords], { clock }).run();
  await until(() => seen.emma?.length === 1);
  assert.equal(run.counts().collect!.running, 1);
  clock.advance(3_600_000);
  const { succeeded } = await run.finished;
  assert.deepEqual([succeeded, seen], [2, { emma: ["a"] }]);
});

Deno.test("A run that is drained does not wait for what it will not start: the job is let go, and not failed", async () => {
  const books = await texts({ emma: "a b" });
  const words = new MemoryBlobRepository("words");
  const seen: Record<string, string[]> = {};
  const slow = functionTask("slow", {
    done: outcomes("slow-done"),
    retry: { attempts: 2, delay: "1h" },
    links: { books: input(books), words: outputs(words) },
  }, async ({ words, attempt }) => {
    await words.write("1", "a");
    if (attempt === 1) fail();
  });
  const pipeline = inMemory([collect(books, words, seen), slow]);
  const run = pipeline.run();
  const events = Array.fromAsync(run);
  await until(() => run.counts().slow?.retrying === 1 && seen.emma?.length === 1);
  run.stop("drain");
  const summary = await run.finished;
  assert.deepEqual([summary.ended, summary.failed, summary.succeeded, summary.stuck], ["stopped", 0, 0, 0]);
  assert.deepEqual(jobsOf(await events, "released"), ["collect/emma"]);
});

Deno.test("A job whose maker is hit by trouble in this run is left for the next, and says what it waits for", async () => {
  const books = await texts({ emma: "a b" });
  const words = new MemoryBlobRepository("words");
  const seen: Record<string, string[]> = {};
  const clock = new ManualClock();
  let down = true;
  const made = split(books, words);
  const troubled: Task = {
    ...made,
    runner: {
      ...made.runner,
      run: (attempt, context) => {
        if (down) throw new Error("the host is gone");
        return made.runner.run(attempt, context);
      },
    },
  };
  const pipeline = inMemory([collect(books, words, seen), troubled], { clock });
  const run = pipeline.run();
  const events = Array.fromAsync(run);
  let over = false;
  run.finished.then(() => over = true);
  await until(() => {
    clock.advance(60_000);
    return over;
  });
  const summary = await run.finished;
  assert.deepEqual([summary.succeeded, summary.failed, summary.stuck], [0, 0, 2]);
  assert.equal(
    troubles(await events).at(-1),
    'Cannot go on with job "emma" of task collect; it is left for the next run: its stream items waits for split, which cannot go on in this run',
  );
  down = false;
  assert.equal((await runAll(pipeline)).summary.succeeded, 2);
  assert.deepEqual(seen, { emma: ["a", "b"] });
});

Deno.test("A job that runs out of time while it waits for an item has run out of time", async () => {
  const books = await texts({ emma: "a" });
  const words = new MemoryBlobRepository("words");
  const seen: Record<string, string[]> = {};
  let ended = false;
  const never = split(books, words, {}, () => until(() => ended));
  const done = outcomes("collect-done");
  const run = inMemory([collect(books, words, seen, { done, timeout: 20 }), never]).run();
  for await (const event of run) {
    if (event.type === "finished" && event.attempt.task === "collect") {
      assert.equal(event.outcome.reason, "timed-out");
      ended = true;
    }
  }
  await run.finished;
  assert(ended);
});

Deno.test("A job without a key for its stream fails with a text that says so", async () => {
  const books = new MemoryMetadataRepository<{ by?: string }>("books");
  await books.set("emma", {});
  const pages = await blobs("pages", "p");
  const read = functionTask("read", {
    done: outcomes(),
    links: { books: input(books), pages: stream(pages, { of: () => "austen", key: field("books.by") }) },
  }, async ({ pages }) => void await Array.fromAsync(pages));
  const { events } = await runAll(inMemory([read]));
  const [finished] = events.filter((event) => event.type === "finished");
  assert.equal(
    finished!.outcome.error?.message,
    'Cannot find the key of job "emma" in link read.pages: books.by gives none',
  );
});

Deno.test("An item whose job cannot be found is told of, and the others come", async () => {
  const [jobs, pages] = [await blobs("jobs", "emma"), await blobs("pages", "p1", "p2")];
  const seen: string[] = [];
  const read = functionTask("read", {
    done: outcomes(),
    links: {
      jobs: requires(jobs),
      pages: stream(pages, { of: (page) => page === "p1" ? fail() : "emma" }),
    },
  }, async ({ pages }) => {
    for await (const { key } of pages) seen.push(key);
  });
  const { events } = await runAll(inMemory([read]));
  assert.deepEqual([seen, troubles(events)], [["p2"], [
    'Cannot find the job that item "p1" of read.pages is for: no',
  ]]);
});

Deno.test("Jobs wait for the next run while it cannot be found out for which an item is", async () => {
  const [jobs, pages] = [await blobs("jobs", "emma"), await blobs("pages", "p1", "p2")];
  const about = new MemoryMetadataRepository<{ book: string }>("about");
  for (const page of ["p1", "p2"]) await about.set(page, { book: "emma" });
  let broken = true;
  const faults = faulty({ rate: 1, on: ["read"], when: ({ key }) => broken && key === "p1" });
  const seen: string[][] = [];
  const read = functionTask("read", {
    done: outcomes(),
    links: {
      jobs: requires(jobs),
      pages: stream(pages, { cokeyed: { about: about.with(faults) }, of: field("about.book") }),
    },
  }, async ({ pages }) => {
    const mine: string[] = [];
    seen.push(mine);
    for await (const { key } of pages) mine.push(key);
  });
  const clock = new ManualClock();
  const pipeline = inMemory([read], { clock });
  const { summary, events } = await runByHand(pipeline, clock);
  assert.deepEqual([summary.succeeded, summary.failed, summary.stuck], [0, 0, 1]);
  assert.equal(
    troubles(events).at(-1),
    'Cannot go on with job "emma" of task read; it is left for the next run: its stream pages has items that may be for it, and it cannot be found out whether they are',
  );
  broken = false;
  assert.equal((await runAll(pipeline)).summary.succeeded, 1);
  assert.deepEqual(seen.at(-1), ["p1", "p2"]);
});

Deno.test("Waiting for items sets no timer and lists nothing", async () => {
  const books = await texts({ emma: "a b c" });
  const words = new MemoryBlobRepository("words");
  const seen: Record<string, string[]> = {};
  const clock = counting(new ManualClock());
  const { keys } = words.driver;
  let listings = 0;
  Object.assign(words.driver, { keys: (options: never) => (listings++, keys(options)) });
  const timers: number[] = [];
  const made = split(books, words, {}, async (job, n) => {
    await until(() => seen[job]?.length === n + 1);
    timers.push(clock.set);
  });
  const { succeeded } = await inMemory([collect(books, words, seen), made], { clock }).run().finished;
  assert.deepEqual([succeeded, seen.emma], [2, ["a", "b", "c"]]);
  assert.equal(new Set(timers).size, 1, "no timer between two items");
  assert.equal(listings, 2, "at the beginning, and at the end of the run");
});

Deno.test("A pipeline whose stream asks for allocated keys that nobody allocates says so", async () => {
  const [jobs, pages] = [await blobs("jobs"), await blobs("pages")];
  const read = functionTask("read", {
    done: outcomes(),
    links: { jobs: requires(jobs), pages: stream(pages, { of: allocated() }) },
  }, () => {});
  assert.throws(() => new Pipeline({ tasks: [read], state: null }), {
    message:
      "Link read.pages finds items by the job that their keys were allocated for, but no task allocates keys in pages; see that its outputs(...) has no { keys }",
  });
});

Deno.test("A task that reads single values of a streaming output works on each as it comes", async () => {
  const books = await texts({ emma: "a b" });
  const [words, copies] = [new MemoryBlobRepository("words"), new MemoryBlobRepository("copies")];
  const made = split(
    books,
    words,
    {},
    async (_job, n) => await until(async () => (await keysOf(copies)).length === n + 1),
  );
  const { summary } = await runAll(inMemory([copy("copy", words, copies), made]));
  assert.equal(summary.succeeded, 3);
});
