import assert from "node:assert/strict";
import {
  allocated,
  DefinitionError,
  field,
  functionTask,
  input,
  isTask,
  type Links,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  requires,
  type TaskOptions,
} from "../../mod.ts";
import { outcomes } from "../pipeline/kit.ts";

const books = new MemoryBlobRepository("books");
const meta = new MemoryMetadataRepository("meta");
const make = (options: Partial<TaskOptions<Links>> = {}, name = "task") =>
  functionTask(name, { done: outcomes(), links: { books: input(books) }, ...options }, () => {});

/** The faults of a definition. */
function faults(define: () => unknown): readonly string[] {
  try {
    define();
  } catch (error) {
    assert(error instanceof DefinitionError, String(error));
    return error.faults;
  }
  return [];
}

Deno.test("A task has defaults for all that it is not told", () => {
  const task = make();
  assert.deepEqual(
    [
      task.kind,
      task.priority,
      task.concurrency,
      task.spawnRate,
      task.timeoutMs,
      task.totalTimeoutMs,
      task.graceMs,
      task.replicas,
      task.failureOk,
      task.longRunning,
      task.disabled,
      task.quota,
    ],
    ["function", 0, Infinity, undefined, Infinity, Infinity, 10_000, 1, false, false, false, {}],
  );
  const { when, ...retry } = task.retry;
  assert.deepEqual(retry, { attempts: 1, delayMs: 1000, factor: 2, maxDelayMs: 300_000, jitter: 0.5 });
  assert.equal(when({} as never), true);
  assert.deepEqual(Object.keys(task.allLinks), ["books", "done", "success", "failed"]);
  assert.equal(task.allLinks.done!.start, "absent");
});

Deno.test("A task takes times as text, and a number of attempts for a policy", () => {
  const task = make({
    timeout: "1m30s",
    totalTimeout: "2h",
    grace: 5,
    retry: 4,
    spawnRate: { count: 3, per: "1m" },
    quota: { cpu: "500m", memory: "1Gi", gpu: 2 },
  });
  assert.deepEqual([task.timeoutMs, task.totalTimeoutMs, task.graceMs, task.retry.attempts, task.spawnRate], [
    90_000,
    7_200_000,
    5,
    4,
    { count: 3, perMs: 60_000 },
  ]);
  assert.deepEqual(task.quota, { cpu: 0.5, memory: 2 ** 30, gpu: 2 });
});

Deno.test("isTask knows tasks, and nothing else", () => {
  assert(isTask(make()));
  for (const other of [undefined, null, {}, { ...make() }, "task"]) assert(!isTask(other));
});

Deno.test("A task that is wrong says all that is wrong, at once", () => {
  assert.deepEqual(
    faults(() =>
      functionTask("not a key!", {
        done: outcomes(),
        concurrency: 0,
        replicas: 1.5,
        retry: { attempts: -1, jitter: 2 },
        spawnRate: { count: 0, per: "1s" },
        links: {
          job: input(books),
          "two words": input(books),
          a: input(books, { key: field("nowhere.x") }),
          b: input(books, { key: field("books.x") }),
          books: input(books),
          c: input(books, { key: allocated() }),
          d: output(books, { cokeyed: { "not-a-name": meta } }),
        },
      }, () => {})
    ),
    [
      'Task name "not a key!" is not valid; use letters, digits, ".", "_" and "-"',
      'Task not a key! has a link named "job", which is taken; give it another name',
      'Task not a key! has a link named "two words"; use letters, digits and "_"',
      'Link not a key!.a takes its key from "nowhere.x", but the task has no link "nowhere"',
      'Link not a key!.b takes its key from "books.x", but books holds no documents',
      "Link not a key!.c is an input with an allocated key; only an output can have one",
      'Link not a key!.d has a cokeyed repository named "not-a-name"; use letters, digits and "_"',
      "Task not a key! has retry.attempts -1; write a whole number of at least 1",
      "Task not a key! has concurrency 0; write a whole number of at least 1",
      "Task not a key! has replicas 1.5; write a whole number of at least 1",
      "Task not a key! has spawnRate.count 0; write a whole number of at least 1",
      "Task not a key! has retry.jitter 2; write a number from 0 to 1",
    ],
  );
});

Deno.test("What a type check would have found is found without one", () => {
  const untyped = { spawnRate: 0, priority: "high", retry: { attemts: 3 } } as never;
  assert.deepEqual(faults(() => make(untyped)), [
    'Task task has spawnRate 0; write { count: 5, per: "1s" }',
    'Task task has priority "high"; write a number, of which the largest goes first, or a function that gives one',
    "Task task has retry.attemts, which there is not; write attempts, delay, factor, maxDelay, jitter, when",
  ]);
  assert.equal(make({ priority: Infinity }).priority, Infinity);
});

Deno.test("Links whose keys follow from each other in a circle are refused, whatever hangs on the circle", () => {
  const links = {
    books: input(books),
    a: requires(meta, { key: field("b.x") }),
    b: input(meta, { key: field("c.x") }),
    c: input(meta, { key: field("b.y") }),
  };
  assert.deepEqual(faults(() => make({ links })), [
    "Link task.b takes its key from itself, by way of b -> c -> b; break the circle",
    "Link task.c takes its key from itself, by way of c -> b -> c; break the circle",
  ]);
  assert.deepEqual(
    faults(() => make({ links: { books: input(books), a: input(meta, { key: field("a.x") }) } })),
    [
      "Link task.a takes its key from itself, by way of a -> a; break the circle",
    ],
  );
});

Deno.test("Times and amounts that cannot be read are refused with what to write", () => {
  const text = (define: () => unknown): string => faults(define)[0]!;
  const durations = 'write milliseconds or text such as "250ms", "90s", "10m", "1h30m", "2d"';
  assert.equal(
    text(() => make({ timeout: "soon" })),
    `Cannot read timeout of task task "soon"; ${durations}`,
  );
  assert.equal(
    text(() => make({ retry: { delay: -1 } })),
    `Cannot read retry.delay of task task -1; ${durations}`,
  );
  assert.equal(
    text(() => make({ spawnRate: { count: 1, per: "x" } })),
    `Cannot read spawnRate.per of task task "x"; ${durations}`,
  );
  assert.equal(
    text(() => make({ quota: { cpu: "much" } })),
    'Cannot read quota of task task: cpu "much"; write a Kubernetes quantity such as 2, "500m" or "1.5Gi"',
  );
});
