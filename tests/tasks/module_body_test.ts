/** Tests of bodies that are named by their module, in this process and in workers. */
import assert from "node:assert/strict";
import {
  type FunctionExecutor,
  functionTask,
  input,
  MemoryBlobRepository,
  MemoryFilesystemRepository,
  MemoryMetadataRepository,
  moduleBody,
  type ModuleTaskOptions,
  type Outcome,
  output,
  outputs,
  type Permissions,
  workerPool,
} from "../../mod.ts";
import { testPipeline } from "../../testing/mod.ts";
import { inMemory, outcomes, runAll } from "../pipeline/kit.ts";
import { allLinks, manyLinks, textLinks } from "./bodies/links.ts";

const acts = moduleBody<typeof import("./bodies/acts.ts")>(import.meta.resolve("./bodies/acts.ts"));

/** What became of a job. */
interface Result {
  readonly outcome: Outcome;
  readonly text: string | undefined;
  readonly log: readonly string[];
}

/** Runs the acts, each as a job of one task, and gives what became of each by its act. */
async function perform(
  texts: readonly string[],
  options: Partial<ModuleTaskOptions<ReturnType<typeof textLinks>>> = {},
): Promise<Result[]> {
  const [from, to] = [new MemoryBlobRepository("from"), new MemoryBlobRepository("to")];
  for (const [at, text] of texts.entries()) await from.put(`job-${at}`, text);
  const task = functionTask(
    "acts",
    { executor: workerPool({ size: 1 }), ...options, done: outcomes(), links: textLinks(from, to) },
    acts,
  );
  const { events } = await runAll(inMemory([task]));
  return await Promise.all(texts.map(async (_, at) => {
    const bytes = await to.find(`job-${at}`);
    return {
      outcome: await task.outcomes.done.get(`job-${at}`),
      text: bytes && new TextDecoder().decode(bytes),
      log: events.flatMap((event) =>
        event.type === "log" && event.attempt.job === `job-${at}` ? [event.line] : []
      ),
    };
  }));
}

async function failure(act: string, options: Parameters<typeof perform>[1] = {}): Promise<Outcome> {
  // A job before it and a job after it: neither is harmed.
  const [before, bad, after] = await perform(["echo before", act, "echo after"], options);
  assert.equal(before!.text, "before");
  assert.equal(after!.text, "after");
  assert.equal(bad!.outcome.success, false);
  assert.equal(bad!.text, undefined);
  return bad!.outcome;
}

/** Runs the body that uses links of all kinds. */
async function useAll(executor: FunctionExecutor | undefined): Promise<Record<string, unknown>> {
  const stores = {
    texts: new MemoryBlobRepository("texts"),
    documents: new MemoryMetadataRepository<{ readonly n: number }>("documents"),
    trees: new MemoryFilesystemRepository("trees"),
    outTexts: new MemoryBlobRepository("outTexts"),
    outStreams: new MemoryBlobRepository("outStreams"),
    outDocuments: new MemoryMetadataRepository<unknown>("outDocuments"),
    outTrees: new MemoryFilesystemRepository("outTrees"),
    index: new MemoryMetadataRepository<unknown>("index"),
  };
  const text = "wörds \u{1f4d6}\n".repeat(100_000);
  const file = (path: string, text: string) => {
    const bytes = new TextEncoder().encode(text);
    const open = () => Promise.resolve(new Blob([bytes]).stream());
    return { kind: "file" as const, path, mode: 0o644, size: bytes.length, open };
  };
  await stores.texts.put("emma", text);
  await stores.documents.set("emma", { n: 3 });
  await stores.trees.put("emma", [
    file("a", "one"),
    { kind: "directory", path: "folder", mode: 0o755 },
    file("folder/b", "two"),
  ]);
  const task = functionTask(
    "kinds",
    { done: outcomes(), links: allLinks(stores), quota: { memory: "300Mi" }, ...(executor && { executor }) },
    moduleBody<typeof import("./bodies/kinds.ts")>(import.meta.resolve("./bodies/kinds.ts")),
  );
  await runAll(inMemory([task]));
  const outcome = await task.outcomes.done.get("emma");
  assert(outcome.success, outcome.error?.stack ?? outcome.reason);
  assert.equal(await stores.outTexts.text("emma"), "text");
  assert.equal(await stores.outStreams.text("emma"), text);
  const made: string[] = [];
  for await (const entry of await stores.outTrees.entries("emma")) made.push(entry.path);
  const seen = await stores.outDocuments.get("emma") as Record<string, unknown>;
  assert.equal(seen.text, text);
  return {
    ...seen,
    made,
    y: await new Response(await stores.outTrees.open("emma", "made/y")).text(),
    index: await stores.index.get("emma"),
  };
}

Deno.test("A body sees the same of its links in this process and in a worker", async () => {
  const here = await useAll(undefined);
  assert.deepEqual(here.files, [["a", "one"], "folder", ["folder/b", "two"]]);
  assert.equal(here.y, "yyy");
  const { missing: missingHere, ...restHere } = here;
  const { missing: missingThere, ...restThere } = await useAll(workerPool());
  assert.deepEqual(restThere, restHere);
  assert.deepEqual(missingThere, missingHere);
});

Deno.test("A body in a worker reads items as they come, looks up any key, and publishes many", async () => {
  const stores = {
    books: new MemoryBlobRepository("books"),
    words: new MemoryMetadataRepository<string>("words"),
    chapters: new MemoryBlobRepository("chapters"),
    pages: new MemoryBlobRepository("pages"),
    sums: new MemoryMetadataRepository<unknown>("sums"),
  };
  await stores.books.put("emma", "one|two");
  await stores.words.set("one", "first");
  const split = functionTask(
    "split",
    {
      done: outcomes("split-done"),
      links: { books: input(stores.books), chapters: outputs(stores.chapters) },
    },
    async ({ books, chapters }) => {
      for (const text of (await books.text()).split("|")) await chapters.write(text, text);
    },
  );
  const many = functionTask(
    "many",
    { done: outcomes(), links: manyLinks(stores), executor: workerPool({ size: 1 }) },
    moduleBody<typeof import("./bodies/many.ts")>(import.meta.resolve("./bodies/many.ts")),
  );
  await runAll(inMemory([split, many]));
  const outcome = await many.outcomes.done.get("emma");
  assert(outcome.success, outcome.error?.stack ?? outcome.reason);
  const { published, ...rest } = await stores.sums.get("emma") as { published: string[] };
  assert.deepEqual(rest, {
    keys: ["one"],
    word: "first",
    none: undefined,
    read: ["one", "one", "two", "two"],
  });
  assert.deepEqual(await Promise.all(published.map((key) => stores.pages.text(key))), ["page a", "page b"]);
});

Deno.test("A worker is used again for the next job, until it has had its number of jobs", async () => {
  const results = await perform(["pid", "pid", "pid", "pid"], {
    executor: workerPool({ size: 1, recycle: { jobs: 3 } }),
  });
  const seen = results.map(({ text }) => text!.split(" "));
  assert.deepEqual(seen.map(([, runs]) => runs), ["1", "2", "3", "1"]);
  assert.equal(new Set(seen.map(([pid]) => pid)).size, 2);
  assert(results.every(({ outcome, text }) => outcome.where === `pid ${text!.split(" ")[0]}`));
});

Deno.test("A worker that holds too much memory, or is too old, is not used again", async () => {
  for (const recycle of [{ memory: 1 }, { age: 0 }]) {
    const results = await perform(["pid", "pid"], { executor: workerPool({ size: 1, recycle }) });
    assert.deepEqual(results.map(({ text }) => text!.split(" ")[1]), ["1", "1"]);
  }
});

Deno.test("Tasks with other permissions or another module get other workers, within the size of the pool", async () => {
  const executor = workerPool({ size: 1 });
  const pids = async (permissions: Permissions) => {
    const from = new MemoryBlobRepository("from");
    const to = new MemoryBlobRepository("to");
    await from.put("1", "pid");
    const name = permissions.sys ? "with" : "without";
    return {
      to,
      task: functionTask(
        name,
        { done: outcomes(name), links: textLinks(from, to), executor, permissions },
        acts,
      ),
    };
  };
  const both = [await pids({}), await pids({ sys: ["hostname"] })];
  await runAll(inMemory(both.map(({ task }) => task)));
  const texts = await Promise.all(both.map(({ to }) => to.text("1")));
  assert.deepEqual(texts.map((text) => text.split(" ")[1]), ["1", "1"]);
  assert.notEqual(texts[0], texts[1]);
});

Deno.test("An exception fails the attempt, with its class, its message and where it was thrown", async () => {
  const { reason, error } = await failure("throw bad luck");
  assert.equal(reason, "failed");
  assert.equal(error!.name, "RangeError");
  assert.equal(error!.message, "bad luck");
  assert.match(error!.stack!, /acts\.ts:\d+/);
});

Deno.test("A body that exits has failed, and nothing else with it", async () => {
  for (const code of [0, 3]) {
    const { error } = await failure(`exit ${code}`);
    assert.equal(
      error!.message,
      `The worker left with code ${code} before the body had returned; a body returns or throws, and does not call Deno.exit()`,
    );
    assert.equal(error!.stack, undefined);
  }
});

Deno.test("A rejection or an exception that nobody catches fails the attempt", async () => {
  assert.equal((await failure("reject")).error!.message, "nobody waits for me");
  assert.equal((await failure("callback")).error!.message, "thrown from a timer");
});

Deno.test("A body that hoards memory has failed by its quota, on the heap and beside it", async () => {
  for (const act of ["hoard", "buffers"]) {
    const { reason, error } = await failure(act, { quota: { memory: "80Mi" } });
    assert.equal(reason, "failed");
    assert.equal(
      error!.message,
      "The worker has run out of its memory of 80 MiB; give the task a larger quota: { memory: ... }",
    );
  }
});

Deno.test("A body that never comes back is ended when its time is over", async () => {
  const from = new MemoryBlobRepository("from");
  const to = new MemoryBlobRepository("to");
  await from.put("1", "loop");
  const task = functionTask(
    "acts",
    { done: outcomes(), links: textLinks(from, to), executor: workerPool({ size: 1 }), grace: 1 },
    acts,
  );
  const run = inMemory([task]).run();
  for await (const event of run) if (event.type === "log") run.cancel("acts", "1");
  const { reason, where } = await task.outcomes.done.get("1");
  assert.equal(reason, "cancelled");
  const pid = Number(/\d+/.exec(where!)![0]);
  assert.throws(() => Deno.kill(pid, "SIGCONT"), Deno.errors.NotFound);
});

Deno.test("A body that listens is told why it shall end, and what it writes then is refused", async () => {
  const from = new MemoryBlobRepository("from");
  const to = new MemoryBlobRepository("to");
  await from.put("1", "wait");
  const task = functionTask(
    "acts",
    { done: outcomes(), links: textLinks(from, to), executor: workerPool({ size: 1 }) },
    acts,
  );
  const run = inMemory([task]).run();
  const lines: string[] = [];
  for await (const event of run) {
    if (event.type !== "log") continue;
    lines.push(event.line);
    if (event.line === "waiting") run.cancel("acts", "1");
  }
  assert.deepEqual(lines, ["waiting", "told: cancelled"]);
  assert.equal((await task.outcomes.done.get("1")).reason, "cancelled");
  assert.equal(await to.has("1"), false);
});

Deno.test("A write that nobody waits for counts; one after the end does not", async () => {
  const [forgotten, late] = await perform(["forget", "late", "echo after"]);
  assert.equal(forgotten!.text, "forgotten");
  assert.equal(late!.outcome.reason, "missing-output");
  assert.equal(late!.text, undefined);
});

Deno.test("An expected output that was not written fails the job", async () => {
  const [{ outcome }] = await perform(["nothing"]) as [Result];
  assert.equal(outcome.reason, "missing-output");
  assert.match(outcome.error!.message, /"job-0" is not in to \(link to\)/);
});

Deno.test("All that a body says is in the log of its job, in order", async () => {
  const [before, { log }, after] = await perform(["echo 1", "say", "echo 2"]) as [Result, Result, Result];
  assert.deepEqual(log, ["by log { a: 1 }", "by console", "by error", "without an end"]);
  assert.deepEqual([before.log, after.log], [[], []]);
});

Deno.test("What was used is recorded where the system tells", async () => {
  const [{ outcome }] = await perform(["churn"]) as [Result];
  assert(outcome.resources!.cpuSeconds! > 0);
  assert(outcome.resources!.peakMemoryBytes! > 1 << 20);
});

Deno.test("Without a declaration a body may nothing but compute, and is told what would allow more", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/secret`, "x");
  const acts: Record<string, string> = {
    [`read ${folder}/secret`]:
      `Requires read access to "${folder}/secret"; to allow it, add permissions: { read: ["${folder}/secret"] } to task acts`,
    [`write ${folder}/new`]:
      `Requires write access to "${folder}/new"; to allow it, add permissions: { write: ["${folder}/new"] } to task acts`,
    "net http://127.0.0.1:65530/":
      `Requires net access to "127.0.0.1:65530"; to allow it, add permissions: { net: ["127.0.0.1:65530"] } to task acts`,
    "env HOME": `Requires env access to "HOME"; to allow it, add permissions: { env: ["HOME"] } to task acts`,
    clean: `Requires env access; to allow it, add permissions: { env: true } to task acts`,
    "run true": `Requires run access to "true"; to allow it, add permissions: { run: ["true"] } to task acts`,
    sys:
      `Requires sys access to "hostname"; to allow it, add permissions: { sys: ["hostname"] } to task acts`,
    [`import file://${folder}/x.ts`]:
      `Requires read access to "${folder}/x.ts"; to allow it, add permissions: { read: ["${folder}/x.ts"] } to task acts`,
    "import https://host.invalid/x.ts":
      `Requires import access to "host.invalid:443"; to allow it, add permissions: { import: ["host.invalid:443"] } to task acts`,
  };
  const results = await perform(Object.keys(acts), { executor: workerPool({ size: 2 }) });
  for (const [at, act] of Object.keys(acts).entries()) {
    const { error, reason } = results[at]!.outcome;
    assert.equal(reason, "failed", act);
    assert.equal(error!.message, acts[act]);
    assert(!error!.stack!.includes("run again with"), error!.stack);
  }
  assert.equal(await Deno.stat(`${folder}/new`).catch(() => "absent"), "absent");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("A declaration allows what it says and nothing beside it", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  await Deno.mkdir(`${folder}/open`);
  await Deno.writeTextFile(`${folder}/open/a`, "inside");
  await Deno.writeTextFile(`${folder}/b`, "one directory up");
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () => new Response("served"),
  );
  const { port } = server.addr;
  const results = await perform([
    `read ${folder}/open/a`,
    `read ${folder}/open/../b`,
    `net http://127.0.0.1:${port}/`,
    "net http://127.0.0.2:65530/",
    "env DATATASK_TEST_SHOWN",
    "env HOME",
    "run true",
    "run false",
    "sys",
    "lazy",
  ], {
    executor: workerPool({ size: 2 }),
    permissions: {
      read: [`${folder}/open`],
      net: [`127.0.0.1:${port}`],
      env: ["DATATASK_TEST_SHOWN"],
      run: ["true"],
      sys: ["hostname"],
    },
  });
  await server.shutdown();
  assert.deepEqual(results.map(({ outcome, text }) => text ?? outcome.error!.name), [
    "inside",
    "NotCapable",
    "served",
    "NotCapable",
    "not set",
    "NotCapable",
    "",
    "NotCapable",
    Deno.hostname(),
    "loaded late",
  ]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("A program that a body may start sees none of the coordinator's secrets", async () => {
  Deno.env.set("DATATASK_TEST_SECRET", "s");
  const [{ text }] = await perform(["run env"], { permissions: { run: ["env"] } }) as [Result];
  Deno.env.delete("DATATASK_TEST_SECRET");
  assert(text!.includes("PATH="));
  assert(!text!.includes("DATATASK_TEST_SECRET"));
});

Deno.test("A module that is not there, fails, or exports no function is said to be so", async () => {
  const folder = await Deno.makeTempDir();
  const texts: Record<string, [string, RegExp]> = {
    absent: ["", /^Cannot use the module file:.*absent\.ts: Module not found/],
    broken: ["export default function (", /^Cannot use the module file:.*broken\.ts: .*broken\.ts/s],
    throws: ["throw new Error('at load')", /^Cannot use the module file:.*throws\.ts: .*at load/s],
    none: [
      "export const x = 1;",
      /^Cannot use the module file:.*none\.ts: its default export is missing; export a function/,
    ],
    number: ["export default 7;", /its default export is a number; export a function/],
  };
  for (const [name, [text, message]] of Object.entries(texts)) {
    if (text) await Deno.writeTextFile(`${folder}/${name}.ts`, text);
    const from = new MemoryBlobRepository("from");
    await from.put("1", "x");
    const module = moduleBody<typeof import("./bodies/acts.ts")>(`file://${folder}/${name}.ts`);
    for (const executor of [undefined, workerPool({ size: 1 })]) {
      const task = functionTask(
        "task",
        {
          done: outcomes(),
          links: textLinks(from, new MemoryBlobRepository("to")),
          ...(executor && { executor }),
        },
        module,
      );
      await runAll(inMemory([task]));
      const { error, reason } = await task.outcomes.done.get("1");
      assert.equal(reason, "failed");
      if (executor || /export a function/.test(String(message))) assert.match(error!.message, message);
    }
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("A pipeline in isolation runs the body of a module in its own process", async () => {
  const [from, to] = [new MemoryBlobRepository("from"), new MemoryBlobRepository("to")];
  const task = functionTask("acts", {
    done: outcomes(),
    links: textLinks(from, to),
    executor: workerPool(),
    permissions: { sys: ["hostname"] },
  }, acts);
  await using test = testPipeline(inMemory([task]));
  await test.standIn(from).put("1", "pid");
  await test.run();
  assert.equal((await test.standIn(to).text("1")).split(" ")[0], String(Deno.pid));
});

Deno.test("What cannot be is refused when it is defined", () => {
  const from = new MemoryBlobRepository("from");
  const links = { from: input(from), to: output(new MemoryBlobRepository("to")) };
  assert.throws(() => moduleBody("./acts.ts"), {
    code: "invalid-definition",
    message:
      `"./acts.ts" is not the address of a module; write moduleBody<typeof import("./body.ts")>(import.meta.resolve("./body.ts"))`,
  });
  assert.throws(() => functionTask("acts", { done: outcomes(), links, permissions: { net: true } }, acts), {
    code: "invalid-definition",
    message:
      "Task acts has permissions, but its body runs in this process, which has its own; give it an executor: workerPool()",
  });
  const executor = workerPool();
  const permissions = { read: ["a,b", ""], nett: true } as Permissions;
  assert.throws(() => functionTask("acts", { done: outcomes(), links, executor, permissions }, acts), {
    message: [
      "3 faults:",
      '- Task acts has "a,b" in permissions.read, which Deno cannot be told: it is empty or has a comma; name what holds it',
      '- Task acts has "" in permissions.read, which Deno cannot be told: it is empty or has a comma; name what holds it',
      '- Task acts has permissions of a kind "nett", which Deno does not have; use read, write, net, env, run, sys, ffi, import',
    ].join("\n"),
  });
  assert.throws(() => functionTask("acts", { done: outcomes(), links, executor, patience: "1m" }, acts), {
    code: "invalid-definition",
    message:
      "Task acts has the option patience, which is for bodies that run as processes or in containers, and it runs in the pool workers; leave it out, or give it another executor: localExecutor()",
  });
  const cache = { folder: "/tmp" };
  assert.throws(() => functionTask("acts", { done: outcomes(), links, cache, deno: "deno" }, acts), {
    message:
      /^2 faults:\n- Task acts has the option cache, .* it runs in this process; .*\n- Task acts has the option deno, /,
  });
  assert.throws(() => workerPool({ size: 0 }), {
    message: "Pool workers has size 0; write a whole number of at least 1",
  });
  assert.throws(() => workerPool({ recycle: { jobs: 1.5 } }), {
    message: "Pool workers has recycle.jobs 1.5; write a whole number of at least 1",
  });
});
