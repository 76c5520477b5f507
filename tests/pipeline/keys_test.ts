import assert from "node:assert/strict";
import {
  allocated,
  field,
  functionTask,
  input,
  type KeyInit,
  MemoryMetadataRepository,
  output,
  requires,
  status,
} from "../../mod.ts";
import { KeyMap } from "../../pipeline/key_map.ts";
import { KeySpace } from "../../pipeline/key_space.ts";
import { SubscribableSet } from "../../pipeline/observed.ts";
import { blobs, copy, each, inMemory, jobsOf, keysOf, outcomes, runAll, troubles } from "./kit.ts";

interface Book {
  readonly author?: { readonly id?: unknown };
}

async function library(books: Record<string, unknown>): Promise<MemoryMetadataRepository<Book>> {
  const repository = new MemoryMetadataRepository<Book>("books");
  for (const [key, book] of Object.entries(books)) await repository.set(key, book as Book);
  return repository;
}

Deno.test("A link by field waits for the key that the document names, and binds it", async () => {
  const books = await library({
    "moby-dick": { author: { id: "melville" } },
    "emma": { author: { id: "austen" } },
    "number": { author: { id: 42 } },
    "nobody": {},
    "odd": { author: { id: "not/a key" } },
    "list": { author: { id: ["melville"] } },
  });
  const people = await blobs("people", "melville", "42", "nobody");
  const seen: string[] = [];
  const task = functionTask("task", {
    done: outcomes(),
    links: { book: input(books), person: input(people, { key: field("book.author.id") }) },
  }, async ({ job, person }) => void seen.push(`${job}: ${person.key} ${await person.text()}`));
  const { summary, events } = await runAll(inMemory([task]));
  assert.deepEqual(seen.sort(), ["moby-dick: melville melville", "number: 42 42"]);
  assert.equal(summary.tasks.task!.waiting, 4);
  assert.deepEqual(troubles(events), []);
});

Deno.test("A link by field follows a document that another task writes during the run", async () => {
  const [a, people, c] = [await blobs("a", "1"), await blobs("people", "melville"), await blobs("c")];
  const books = new MemoryMetadataRepository<Book>("books");
  const first = functionTask(
    "first",
    { done: outcomes("d1"), links: { a: input(a), book: output(books) } },
    ({ book }) => book.write({ author: { id: "melville" } }),
  );
  const second = functionTask("second", {
    done: outcomes("d2"),
    links: { person: input(people, { key: field("book.author.id") }), c: output(c), book: input(books) },
  }, async ({ person, c }) => c.write(await person.text()));
  await runAll(inMemory([second, first]));
  assert.equal(await c.text("1"), "melville");
});

Deno.test("A link by field follows a document that changes while the job waits", async () => {
  const [books, people] = [
    await library({ emma: { author: { id: "nobody" } } }),
    await blobs("people", "austen"),
  ];
  const ticket = await blobs("ticket", "emma");
  const seen: string[] = [];
  const task = functionTask("task", {
    done: outcomes(),
    links: { book: input(books), person: input(people, { key: field("book.author.id") }) },
  }, ({ person }) => void seen.push(person.key));
  const mender = functionTask("mender", {
    done: outcomes("d2"),
    links: { ticket: input(ticket), book: status(books) },
  }, ({ book }) => book.write({ author: { id: "austen" } }));
  await runAll(inMemory([task, mender]));
  assert.deepEqual(seen, ["austen"]);
});

Deno.test("Keys follow from each other in a chain, in whatever order the links are given", async () => {
  const books = await library({ emma: { author: { id: "austen" } } });
  const people = new MemoryMetadataRepository<{ town: { code: string } }>("people");
  await people.set("austen", { town: { code: "steventon" } });
  const towns = new MemoryMetadataRepository<{ county: string }>("towns");
  await towns.set("steventon", { county: "hampshire" });
  const counties = await blobs("counties", "hampshire");
  const links = {
    book: input(books),
    person: input(people, { key: field("book.author.id") }),
    town: input(towns, { key: field("person.town.code") }),
    county: input(counties, { key: field("town.county") }),
  };
  const names = Object.keys(links) as (keyof typeof links)[];
  for (const order of [names, names.toReversed(), [names[2]!, names[0]!, names[3]!, names[1]!]]) {
    const shuffled = Object.fromEntries(order.map((name) => [name, links[name]])) as typeof links;
    const seen: string[] = [];
    const task = functionTask(
      "task",
      { done: outcomes(), links: shuffled },
      ({ county, person }) => void seen.push(`${person.key} ${county.key}`),
    );
    await runAll(inMemory([task]));
    assert.deepEqual(seen, ["austen hampshire"], order.join());
  }
});

Deno.test("A link by function binds its key, be it synchronous or not", async () => {
  for (
    const key of [
      (job: string) => job.toUpperCase(),
      (job: string) => Promise.resolve(job.toUpperCase()),
      async (job: string) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        return job.toUpperCase();
      },
    ] satisfies KeyInit[]
  ) {
    const [a, upper] = [await blobs("a", "x", "y"), await blobs("upper", "X")];
    const seen: string[] = [];
    const task = functionTask("task", {
      done: outcomes(),
      links: { a: input(a), upper: input(upper, { key }) },
    }, ({ job, upper }) => void seen.push(job + upper.key));
    const { summary } = await runAll(inMemory([task]));
    assert.deepEqual(seen, ["xX"]);
    assert.equal(summary.tasks.task!.waiting, 1);
  }
});

Deno.test("A job whose key function gives nothing, throws, or gives no valid key is not ready; what throws is told", async () => {
  const a = await blobs("a", "nothing", "throws", "rejects", "invalid", "fine");
  const keyOf = (job: string): string | undefined | Promise<string | undefined> => {
    if (job === "throws") throw new Error("thrown");
    if (job === "rejects") return Promise.reject(new Error("rejected"));
    return job === "nothing" ? undefined : job === "invalid" ? "no key!" : job;
  };
  const task = functionTask("task", {
    done: outcomes(),
    links: { a: input(a), same: requires(a, { key: keyOf }) },
  }, () => {});
  const { summary, events } = await runAll(inMemory([task]));
  assert.deepEqual([summary.succeeded, summary.tasks.task!.waiting], [1, 4]);
  assert.deepEqual(troubles(events).sort(), [
    'Cannot find the keys of job "invalid" of task task: Cannot use "no key!" of link task.same: not a valid key; use 1 to 128 of A-Z a-z 0-9 . _ - with a letter or digit at both ends',
    'Cannot find the keys of job "rejects" of task task: rejected',
    'Cannot find the keys of job "throws" of task task: thrown',
  ]);
});

Deno.test("A key function may be asked about its own repository: nothing goes round in circles", async () => {
  const a = await blobs("a", "x");
  const task = functionTask("task", {
    done: outcomes(),
    links: { a: input(a), again: input(a, { key: async (job) => await a.has(job) ? job : undefined }) },
  }, () => {});
  assert.equal((await runAll(inMemory([task]))).summary.succeeded, 1);
});

Deno.test("Several outputs share a repository under allocated keys, and readers take them by those", async () => {
  const [a, b, shared] = [await blobs("a", "1", "2"), await blobs("b", "1"), await blobs("shared")];
  const maker = (name: string, from: typeof a) =>
    functionTask(name, {
      done: outcomes(name),
      links: { from: input(from), out: output(shared, { key: allocated() }) },
    }, async ({ from, out }) => out.write(`${name} ${await from.text()}`));
  const seen: string[] = [];
  const reader = each("reader", shared, async ({ job }) => void seen.push(await shared.text(job)));
  const { summary } = await runAll(inMemory([reader, maker("left", a), maker("right", b)]));
  assert.deepEqual(seen.sort(), ["left 1", "left 2", "right 1"]);
  assert.equal(summary.succeeded, 6);
  assert.equal((await keysOf(shared)).length, 3);
});

Deno.test("An allocated output marked once keeps the job from running again, though its outcome was deleted", async () => {
  const [a, shared] = [await blobs("a", "1"), await blobs("shared")];
  const done = outcomes();
  const task = functionTask("task", {
    done,
    links: { a: input(a), out: output(shared, { key: allocated(), once: true }) },
  }, ({ out }) => out.write(""));
  await runAll(inMemory([task]));
  await done.delete("1");
  assert.equal((await runAll(inMemory([task]))).summary.started, 0);
});

Deno.test("A job waits for the success of whoever makes what it reads under another key: input translated", async () => {
  const [a, people, c] = [
    await blobs("a", "austen", "melville"),
    await blobs("people", "austen", "melville"),
    await blobs("c"),
  ];
  const books = await library({
    emma: { author: { id: "austen" } },
    persuasion: { author: { id: "austen" } },
    omoo: { author: { id: "melville" } },
  });
  const order: string[] = [];
  const first = copy("first", a, people, {}, async ({ job }) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    order.push(job);
    if (job === "melville") throw new Error("no");
  });
  const second = functionTask("second", {
    done: outcomes("d2"),
    links: { book: input(books), person: input(people, { key: field("book.author.id") }), c: output(c) },
  }, async ({ job, c }) => {
    order.push(job);
    await c.write("");
  });
  const { summary } = await runAll(inMemory([second, first]));
  assert.deepEqual(await keysOf(c), ["emma", "persuasion"]);
  assert(order.indexOf("austen") < order.indexOf("emma"));
  assert.deepEqual([summary.tasks.second!.blocked, summary.tasks.second!.waiting], [1, 0]);
});

Deno.test("A job waits for the success of whoever makes what it reads under another key: output translated", async () => {
  const books = await library({ emma: { author: { id: "austen" } }, omoo: { author: { id: "melville" } } });
  const [people, c] = [await blobs("people", "austen", "melville"), await blobs("c")];
  const order: string[] = [];
  const first = functionTask("first", {
    done: outcomes("d1"),
    links: { book: input(books), person: output(people, { key: field("book.author.id") }) },
  }, async ({ job, person }) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    order.push(job);
    if (job === "omoo") throw new Error("no");
    await person.write("new");
  });
  const second = copy("second", people, c, {}, ({ job }) => void order.push(job));
  const { summary } = await runAll(inMemory([second, first]));
  assert.deepEqual(order.filter((job) => job !== "omoo"), ["emma", "austen"]);
  assert.equal(await c.text("austen"), "new");
  assert.deepEqual([summary.tasks.second!.done, summary.tasks.second!.blocked], [1, 1]);
});

Deno.test("A job waits for the success of whoever makes what it reads under another key: both translated, by functions", async () => {
  const [a, store, c] = [
    await blobs("a", "x-in", "y-in"),
    await blobs("store", "x", "y"),
    await blobs("c", "x-out", "y-out", "z-out"),
  ];
  const order: string[] = [];
  const first = functionTask("first", {
    done: outcomes("d1"),
    links: { a: input(a), out: output(store, { key: (job) => job.slice(0, 1) }) },
  }, async ({ job, out }) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    order.push(job);
    if (job === "y-in") throw new Error("no");
    await out.write("");
  });
  const second = functionTask("second", {
    done: outcomes("d2"),
    links: { c: input(c), read: input(store, { key: (job) => job.slice(0, 1) }) },
  }, ({ job }) => void order.push(job));
  const { summary } = await runAll(inMemory([second, first]));
  assert.deepEqual(order.toSorted(), ["x-in", "x-out", "y-in"]);
  assert(order.indexOf("x-in") < order.indexOf("x-out"));
  assert.deepEqual([summary.tasks.second!.blocked, summary.tasks.second!.waiting], [1, 1]);
});

Deno.test("A value that several jobs make is settled as soon as one of them has succeeded", async () => {
  const [a, store, c] = [await blobs("a", "x1", "x2"), await blobs("store"), await blobs("c")];
  const first = functionTask("first", {
    done: outcomes("d1"),
    links: { a: input(a), out: output(store, { key: (job) => job.slice(0, 1) }) },
  }, async ({ job, out }) => {
    if (job === "x1") throw new Error("no");
    await out.write("");
  });
  const { events } = await runAll(inMemory([first, copy("second", store, c)]));
  assert.deepEqual(jobsOf(events, "finished").sort(), ["first/x1", "first/x2", "second/x"]);
});

Deno.test("KeyMap takes the last answer of a key function only, whatever order answers come in", async () => {
  const answers: PromiseWithResolvers<string | undefined>[] = [];
  let asked = 0;
  const [domain, documents] = [new SubscribableSet(), new SubscribableSet()];
  const keys = new KeySpace();
  const pending: Promise<void>[] = [];
  const map = new KeyMap({
    name: "link task.person",
    domain,
    find: () => (answers[asked++] = Promise.withResolvers()).promise,
    document: documents,
    onTrouble: (_job, error) => {
      throw error;
    },
  }, { keys, background: (work) => void pending.push(work) });
  const emma = keys.id("emma");
  domain.put(emma, true);
  documents.tell([emma]);
  documents.tell([emma]);
  assert.equal(asked, 1, "asked again when the first answer is there");
  answers[0]!.resolve("old");
  await pending[0];
  assert.deepEqual([asked, map.target(emma)], [2, undefined]);
  answers[1]!.resolve("new");
  await Promise.all(pending);
  assert.deepEqual([asked, keys.key(map.target(emma)!)], [2, "new"]);
  assert.deepEqual([...map.jobs(keys.id("new"))], [emma]);
});
