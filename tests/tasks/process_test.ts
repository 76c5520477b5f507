import assert from "node:assert/strict";
import { type Attempt, StopError, type StopReason } from "../../core/attempt.ts";
import { systemClock } from "../../core/clock.ts";
import { DefinitionError, ExecutorError } from "../../core/errors.ts";
import type { Executor, ProcessWork } from "../../executors/executor.ts";
import { localExecutor } from "../../executors/local.ts";
import { directoryDriver, DirectoryRepository } from "../../repositories/directory.ts";
import { FileRepository } from "../../repositories/files.ts";
import { FilesystemRepository } from "../../repositories/filesystem.ts";
import { MemoryBlobRepository, MemoryMetadataRepository } from "../../repositories/memory.ts";
import { allocated, field } from "../../tasks/key_mapping.ts";
import { input, type Links, output } from "../../tasks/link.ts";
import { processTask, type ProcessTaskOptions } from "../../tasks/process.ts";
import type { RunContext } from "../../tasks/runner.ts";
import { sh } from "../../tasks/script.ts";
import type { Task } from "../../tasks/task.ts";
import { file } from "../../testing/trees.ts";
import { until } from "../kit/waiting.ts";

/** A folder for a test, and the tasks that run in it. */
class Bench implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync();
  readonly logs = new MemoryBlobRepository("logs");
  readonly done = new MemoryMetadataRepository("done");
  readonly published: string[] = [];
  readonly #tasks: Task[] = [];

  /** Makes a task, open. */
  async task<const L extends Links>(options: Omit<ProcessTaskOptions<L>, "done">): Promise<Task<L>> {
    const task = processTask("work", { done: this.done, ...options } as ProcessTaskOptions<L>);
    for (const link of Object.values(task.links as Links)) await link.repository.prepare();
    await task.runner.open!({ state: `${this.dir}/state` });
    this.#tasks.push(task as unknown as Task);
    return task;
  }

  context(abort = new AbortController(), graceMs = 10_000): RunContext {
    return {
      signal: abort.signal,
      graceMs,
      quota: { cpu: 2, memory: 1024 },
      log: () => {},
      logs: this.logs,
      located: () => {},
      published: (repository, key) => void this.published.push(`${repository.name}/${key}`),
      feed: () => {
        throw new Error("this task has no streaming input");
      },
      clock: systemClock,
    };
  }

  async run(task: Task<Links>, who: Attempt = attempt, context = this.context()) {
    const ending = await task.runner.run(who, context);
    return ending;
  }

  /** Names of all that is kept of runs. */
  kept(): string[] {
    // What lies in .new is kept for other runs until the executor is closed.
    const list = (path: string): string[] => {
      try {
        return [...Deno.readDirSync(path)].filter(({ name }) => name !== ".new").flatMap(({ name }) =>
          [...Deno.readDirSync(`${path}/${name}`)].map((entry) => `${name}/${entry.name}`)
        );
      } catch {
        return [];
      }
    };
    return [...list(`${this.dir}/state/runs`), ...list(`${this.dir}/state/delivery`)];
  }

  files(name: string, extension = ".txt"): FileRepository {
    return new FileRepository(`${this.dir}/${name}`, { extension });
  }

  trees(name: string): DirectoryRepository {
    return new DirectoryRepository(`${this.dir}/${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const task of this.#tasks) await task.runner.close!();
    Deno.removeSync(this.dir, { recursive: true });
  }
}

const attempt: Attempt = { task: "work", job: "moby-dick", replica: 0, attempt: 1 };

/** Names in a folder that begin with a dot: what is staged. */
const staged = (dir: string): string[] =>
  [...Deno.readDirSync(dir)].map((entry) => entry.name).filter((name) => name.startsWith(".stage"));

Deno.test("processTask hands files over by their own path and publishes what was made", async () => {
  await using bench = new Bench();
  const books = bench.files("books");
  const counts = bench.files("counts");
  const task = await bench.task({
    links: { books: input(books), counts: output(counts) },
    script: ({ books, counts }) => sh`printf '%s ' ${books.path} ${books.key}; wc -w < ${books} > ${counts}`,
  });
  await books.put("moby-dick", "call me ishmael");
  const ending = await bench.run(task);
  assert.equal(ending.reason, "succeeded");
  assert.equal(ending.exitCode, 0);
  assert(ending.end! >= ending.start!);
  assert.match(ending.where!, /^pid \d+$/);
  assert.equal((await counts.text("moby-dick")).trim(), "3");
  assert.equal(await bench.logs.text("moby-dick"), `${bench.dir}/books/moby-dick.txt moby-dick `);
  assert.deepEqual(bench.published, [`${counts.name}/moby-dick`]);
  assert(bench.kept().includes("work/moby-dick.0.1"), "the run is kept until its end is recorded");
  await ending.release!();
  assert.deepEqual(bench.kept(), []);
  assert.deepEqual(staged(`${bench.dir}/counts`), []);
});

Deno.test("processTask copies what lies in no file, and takes it back", async () => {
  await using bench = new Bench();
  const texts = new MemoryBlobRepository("texts");
  const settings = new MemoryMetadataRepository<{ n: number }>("settings");
  const sources = bench.trees("sources");
  // A view without paths: what a store on another machine is.
  const { path: _path, staging: _staging, adopt: _adopt, ...far } = directoryDriver(`${bench.dir}/far`);
  const trees = new FilesystemRepository(far);
  const task = await bench.task({
    links: {
      texts: input(texts),
      settings: input(settings),
      trees: input(trees),
      maybe: input(texts, { required: false, key: () => "not-there" }),
      upper: output(new MemoryBlobRepository("upper")),
      next: output(new MemoryMetadataRepository<{ n: number }>("next")),
      out: output(new FilesystemRepository(far), { key: (job) => `${job}-out` }),
      sources: output(sources),
    },
    script: ({ texts, settings, trees, maybe, upper, next, out, sources }) =>
      sh`set -e; tr a-z A-Z < ${texts} > ${upper}; sed s/1/2/ < ${settings} > ${next}
cp -r ${trees}/. ${out}; ln -s a ${out}/link; [ ! -e ${maybe} ]; mkdir ${sources}/d; echo x > ${sources}/d/f`,
  });
  await trees.prepare();
  await texts.put("moby-dick", "whale");
  await settings.set("moby-dick", { n: 1 });
  await trees.put("moby-dick", [file("a", "A"), file("b/c", "C")]);
  const ending = await bench.run(task);
  assert.equal(ending.reason, "succeeded", await bench.logs.text("moby-dick"));
  const { upper, next } = task.links;
  assert.equal(await upper.repository.text("moby-dick"), "WHALE");
  assert.deepEqual(await next.repository.get("moby-dick"), { n: 2 });
  assert.equal(await new Response(await trees.open("moby-dick-out", "b/c")).text(), "C");
  assert.equal(await new Response(await trees.open("moby-dick-out", "link")).text(), "A");
  assert.equal(await new Response(await sources.open("moby-dick", "d/f")).text(), "x\n");
  await ending.release!();
  assert.deepEqual(bench.kept(), []);
});

Deno.test("processTask gives documents, keys, cokeyed paths and the environment", async () => {
  await using bench = new Bench();
  const meta = new MemoryMetadataRepository<{ author: string; age: number }>("meta");
  const authors = bench.files("authors");
  const pages = bench.files("pages");
  const index = bench.files("index");
  const task = await bench.task({
    links: {
      meta: input(meta, { as: "value" }),
      authors: input(authors, { key: field("meta.author") }),
      who: input(authors, { key: field("meta.author"), as: "key" }),
      pages: output(pages, { key: allocated(), cokeyed: { index } }),
    },
    environment: ({ meta }) => ({ AGE: String(meta.age) }),
    script: ({ job, task, attempt, replica, quota, meta, authors, who, pages }) =>
      sh`cat ${authors} > ${pages}; echo ${meta.age + 1} > ${pages.index}
echo ${job} ${task} ${attempt} ${replica} ${quota.cpu ?? 0} ${who}
echo $DATATASK_JOB $DATATASK_TASK $DATATASK_ATTEMPT $DATATASK_REPLICA $DATATASK_CPU $DATATASK_MEMORY $AGE
[ "$DATATASK_INPUT_AUTHORS" = ${authors} ] && [ "$DATATASK_OUTPUT_PAGES" = ${pages} ] && [ "$DATATASK_OUTPUT_PAGES_INDEX" = ${pages.index} ]`,
  });
  await meta.set("moby-dick", { author: "melville", age: 30 });
  await authors.put("melville", "Herman");
  const ending = await bench.run(task);
  const log = await bench.logs.text("moby-dick");
  assert.equal(ending.reason, "succeeded", log);
  assert.equal(log, "moby-dick work 1 0 2 melville\nmoby-dick work 1 0 2 1024 30\n");
  const key = (await Array.fromAsync(pages))[0]!;
  assert.match(key, /^moby-dick-[0-9a-z]{13}$/);
  assert.equal(await pages.text(key), "Herman");
  assert.equal(await index.text(key), "31\n");
  await ending.release!();
});

Deno.test("processTask throws away what a script that fails has made, and keeps its log", async () => {
  await using bench = new Bench();
  const out = bench.files("out");
  const far = new MemoryBlobRepository("far");
  const task = await bench.task({
    links: { out: output(out), far: output(far) },
    script: ({ out, far }) => sh`echo half > ${out}; echo half > ${far}; echo why >&2; exit 7`,
  });
  await out.put("moby-dick", "old");
  const ending = await bench.run(task);
  assert.equal(ending.reason, "failed");
  assert.equal(ending.exitCode, 7);
  assert.equal(ending.error?.message, "why");
  assert.equal(await out.text("moby-dick"), "old");
  assert.equal(await far.has("moby-dick"), false);
  assert.equal(await bench.logs.text("moby-dick"), "why\n");
  assert.deepEqual(staged(`${bench.dir}/out`), []);
  await ending.release!();
  assert.deepEqual(bench.kept(), []);
});

Deno.test("processTask puts what a later attempt has made in place of what earlier ones have left", async () => {
  await using bench = new Bench();
  const out = bench.files("out");
  const far = new MemoryBlobRepository("far");
  const task = await bench.task({
    links: { out: output(out), far: output(far) },
    script: ({ attempt, out, far }) =>
      sh`echo ${attempt} > ${out}; echo ${attempt} > ${far}; [ ${attempt} != 1 ] && [ ${attempt} != 3 ]`,
  });
  const seen: (string | undefined)[] = [];
  for (const number of [1, 2, 3, 4]) {
    const ending = await bench.run(task, { ...attempt, attempt: number });
    assert.equal(ending.reason, number % 2 === 0 ? "succeeded" : "failed");
    await ending.release!();
    for (const made of [out, far]) {
      seen.push(await made.has("moby-dick") ? await made.text("moby-dick") : undefined);
    }
  }
  assert.deepEqual(seen, [undefined, undefined, "2\n", "2\n", "2\n", "2\n", "4\n", "4\n"]);
});

Deno.test("processTask publishes nothing when an output is missing, and says which and where", async () => {
  await using bench = new Bench();
  const made = bench.files("made");
  const left = bench.files("left");
  const task = await bench.task({
    links: { made: output(made), left: output(left) },
    script: ({ made }) => sh`echo x > ${made}`,
  });
  const ending = await bench.run(task);
  assert.equal(ending.reason, "missing-output");
  assert.match(
    ending.error!.message,
    /^work\/moby-dick has ended well, but has not made output left \("moby-dick" of .*\) at .*\/left\/\.stage-.*; write it there, or mark the link \{ required: false \}$/,
  );
  assert.equal(await made.has("moby-dick"), false);
  await ending.release!();
});

Deno.test("processTask takes an empty folder for no tree", async () => {
  await using bench = new Bench();
  const trees = bench.trees("trees");
  const task = await bench.task({ links: { trees: output(trees) }, script: "true" });
  const ending = await bench.run(task);
  assert.equal(ending.reason, "missing-output");
  await ending.release!();
});

Deno.test("processTask leaves out what need not be made", async () => {
  await using bench = new Bench();
  const trees = bench.trees("trees");
  const task = await bench.task({ links: { trees: output(trees, { required: false }) }, script: "true" });
  const ending = await bench.run(task);
  assert.equal(ending.reason, "succeeded");
  assert.equal(await trees.has("moby-dick"), false);
  await ending.release!();
  assert.deepEqual(staged(`${bench.dir}/trees`), []);
});

Deno.test("processTask says where a document could not be read", async () => {
  await using bench = new Bench();
  const out = new MemoryMetadataRepository("numbers");
  const task = await bench.task({ links: { out: output(out) }, script: ({ out }) => sh`echo '{' > ${out}` });
  const ending = await bench.run(task);
  assert.equal(ending.reason, "failed");
  assert.match(
    ending.error!.message,
    /Cannot read output out of "moby-dick" as JSON: .*; have the script write JSON/,
  );
  await ending.release!();
});

Deno.test("processTask joins standard streams to repositories", async () => {
  await using bench = new Bench();
  const books = new MemoryBlobRepository("books");
  const upper = bench.files("upper");
  const notes = new MemoryBlobRepository("notes");
  const task = await bench.task({
    stdin: books,
    stdout: upper,
    stderr: notes,
    script: 'tr a-z A-Z; echo note >&2; test "$DATATASK_ATTEMPT" = 1',
  });
  assert.deepEqual(Object.keys(task.links), ["stdin", "stdout", "stderr"]);
  await books.put("moby-dick", "whale");
  const ending = await bench.run(task);
  assert.equal(ending.reason, "succeeded");
  assert.equal(await upper.text("moby-dick"), "WHALE");
  assert.equal(await notes.text("moby-dick"), "note\n");
  assert.equal(await bench.logs.has("moby-dick"), false);
  await ending.release!();
  const second = await bench.run(task, { ...attempt, attempt: 2 });
  assert.equal(second.reason, "failed");
  assert.equal(await bench.logs.text("moby-dick"), "WHALEnote\n");
  await second.release!();
});

Deno.test("processTask reads standard input from a link by its name, and merges standard error", async () => {
  await using bench = new Bench();
  const books = bench.files("books");
  const all = new MemoryBlobRepository("all");
  const task = await bench.task({
    links: { books: input(books) },
    stdin: "books",
    stdout: all,
    stderr: "stdout",
    script: "cat; echo e >&2; echo o",
  });
  await books.put("moby-dick", "b\n");
  const ending = await bench.run(task);
  assert.equal(ending.reason, "succeeded");
  assert.equal(await all.text("moby-dick"), "b\ne\no\n");
  await ending.release!();
});

for (
  const [why, reason] of [
    ["timeout", "timed-out"],
    ["cancelled", "cancelled"],
    ["shutdown", "shut-down"],
    ["give-way", "gave-way"],
  ] as [StopReason, string][]
) {
  Deno.test(`processTask that is stopped for ${why} ends as ${reason}, whatever the script says`, async () => {
    await using bench = new Bench();
    const out = bench.files("out");
    const task = await bench.task({
      links: { out: output(out) },
      script: ({ out }) =>
        sh`trap 'echo bye; exit 0' TERM; echo x > ${out}; echo up; while :; do sleep 0.02; done`,
    });
    const abort = new AbortController();
    const running = bench.run(task, attempt, bench.context(abort));
    await until("the script is up", async () => {
      const log = await task.runner.follow!(attempt, { signal: abort.signal, follow: false }).catch(() =>
        undefined
      );
      return log !== undefined && (await new Response(log).text()).includes("up");
    });
    abort.abort(new StopError(why));
    const ending = await running;
    assert.equal(ending.reason, reason);
    assert.equal(ending.exitCode, 0);
    assert.equal(await out.has("moby-dick"), false);
    assert.match(await bench.logs.text("moby-dick"), /bye\n$/);
    if (reason === "shut-down" || reason === "gave-way") assert.deepEqual(bench.kept(), []);
    await ending.release!();
    assert.deepEqual(bench.kept(), []);
    assert.deepEqual(staged(`${bench.dir}/out`), []);
  });
}

Deno.test("processTask is adopted by the next coordinator, which publishes", async () => {
  await using bench = new Bench();
  const out = bench.files("out");
  const far = new MemoryBlobRepository("far");
  const options = {
    links: { out: output(out), far: output(far) },
    script: ({ out, far }: { out: { path: string }; far: { path: string } }) =>
      sh`echo up; until [ -e ${bench.dir}/go ]; do sleep 0.02; done; echo 1 > ${out}; echo 2 > ${far}`,
  };
  const first = await bench.task(options);
  const dead = bench.run(first);
  await until("a run is found", async () => (await Array.fromAsync(first.runner.find!("work"))).length === 1);
  const second = await bench.task(options);
  const [found] = await Array.fromAsync(second.runner.find!("work"));
  assert.deepEqual(found?.attempt, attempt);
  assert.deepEqual(await Array.fromAsync(second.runner.find!("other")), []);
  const adopted = second.runner.adopt!(attempt, bench.context());
  Deno.writeTextFileSync(`${bench.dir}/go`, "");
  const ending = await adopted;
  assert.equal(ending.reason, "succeeded");
  // The first one goes on as well here: what it finds has been taken, or is the same.
  await dead;
  assert.equal(await out.text("moby-dick"), "1\n");
  assert.equal(await far.text("moby-dick"), "2\n");
  await ending.release!();
  await ending.release!();
  assert.deepEqual(bench.kept(), []);
});

Deno.test("processTask publishes the rest when a coordinator was killed between two outputs", async () => {
  await using bench = new Bench();
  const one = bench.files("one");
  const two = bench.trees("two");
  const task = await bench.task({
    links: { one: output(one), two: output(two) },
    script: ({ one, two }) => sh`echo 1 > ${one}; echo 2 > ${two}/f`,
  });
  await one.put("moby-dick", "stale");
  // As a coordinator that is killed after the run has ended, once after each step of publishing.
  for (const killedAfter of [0, 1, 2]) {
    const who = { ...attempt, attempt: killedAfter + 1 };
    let steps = 0;
    const step = (): void => {
      if (steps++ === killedAfter) throw new Error("killed");
    };
    const killed = { ...bench.context(), located: step, published: step };
    await assert.rejects(Promise.resolve(task.runner.run(who, killed)), /killed/);
    const ending = await task.runner.adopt!(who, bench.context());
    assert.equal(ending.reason, "succeeded", ending.error?.message);
    assert.equal(await one.text("moby-dick"), "1\n");
    assert.equal(await new Response(await two.open("moby-dick", "f")).text(), "2\n");
    await ending.release!();
  }
  assert.deepEqual(bench.kept(), []);
});

Deno.test("processTask takes no older value for an output that was not made", async () => {
  await using bench = new Bench();
  const out = bench.files("out");
  const task = await bench.task({ links: { out: output(out) }, script: "sleep 0.01" });
  await out.put("moby-dick", "stale");
  const ending = await bench.run(task);
  assert.equal(ending.reason, "missing-output");
  await ending.release!();
});

Deno.test("processTask reports a lost run", async () => {
  await using bench = new Bench();
  const task = await bench.task({ script: "kill -KILL $$; sleep 60" });
  const ending = await bench.run(task);
  assert.equal(ending.reason, "lost");
  assert.match(ending.error!.message, /its watching shell, pid \d+, was killed/);
  await ending.release!();
  assert.deepEqual(bench.kept(), []);
});

Deno.test("processTask fails for what is its own fault: no key, no script, no interpreter", async () => {
  await using bench = new Bench();
  const out = bench.files("out");
  const noKey = await bench.task({ links: { out: output(out, { key: () => undefined }) }, script: "true" });
  const first = await bench.run(noKey);
  assert.equal(first.reason, "failed");
  assert.match(
    first.error!.message,
    /Cannot find the key of job "moby-dick" in link work.out: key gives none/,
  );
  const throws = await bench.task({
    links: { out: output(out) },
    script: () => {
      throw new TypeError("no idea");
    },
  });
  const second = await bench.run(throws);
  assert.equal(second.reason, "failed");
  assert.equal(second.error!.message, "no idea");
  const interpreter = await bench.task({ links: { out: output(out) }, script: "#!/no/such/thing\n" });
  const third = await bench.run(interpreter);
  assert.equal(third.reason, "failed");
  assert.match(third.error!.message, /the interpreter \/no\/such\/thing of its first line is not there/);
  assert.deepEqual(bench.kept(), []);
  assert.deepEqual(staged(`${bench.dir}/out`), []);
});

Deno.test("processTask of a replica publishes nothing", async () => {
  await using bench = new Bench();
  const out = bench.files("out");
  const task = await bench.task({ links: { out: output(out) }, script: ({ out }) => sh`echo 1 > ${out}` });
  const ending = await bench.run(task, { ...attempt, replica: 1 });
  assert.equal(ending.reason, "succeeded");
  await ending.release!();
  assert.equal(await out.has("moby-dick"), false);
  assert.deepEqual(staged(`${bench.dir}/out`), []);
});

Deno.test("processTask says all that is wrong with it", () => {
  const blobs = new MemoryBlobRepository("blobs");
  const done = new MemoryMetadataRepository("done");
  const far = {
    ...{ name: "far", sees: "nothing", accepts: new Set(["container"]), capacity: {} },
  } as unknown as Executor<ProcessWork>;
  const message = (options: Partial<ProcessTaskOptions<Links>>): string => {
    try {
      processTask("work", { done, script: "true", ...options });
    } catch (error) {
      assert(error instanceof DefinitionError);
      return error.message;
    }
    assert.fail("it must be refused");
  };
  assert.match(
    message({ executor: far }),
    /work runs on far, which does not see the files of this machine and says no way to reach the agent; use/,
  );
  assert.match(message({ executor: far }), /far, which takes no processes/);
  assert.match(message({ stdin: "nobody" }), /standard input from "nobody", which is no input of blobs/);
  assert.match(
    message({ links: { stdout: output(blobs) }, stdout: blobs }),
    /a link named "stdout" and the option stdout too/,
  );
});

Deno.test("a run whose place went away before it was seen to its end is gone on with, and keeps what it has made", async () => {
  await using bench = new Bench();
  const texts = new FileRepository(`${bench.dir}/texts`);
  const inner = localExecutor();
  let [starts, cuts] = [0, 0];
  const away = (): ExecutorError => new ExecutorError("unavailable", "nobody answers", { retry: "later" });
  const executor: Executor<ProcessWork> = {
    name: inner.name,
    accepts: inner.accepts,
    capacity: inner.capacity,
    sees: inner.sees,
    open: (options) => inner.open(options),
    close: () => inner.close(),
    probe: (options) => inner.probe(options),
    start: (...all) => starts++ > 0 ? Promise.reject(away()) : inner.start(...all),
    list: (options) => inner.list(options),
    wait: (...all) => inner.wait(...all),
    stop: (...all) => inner.stop(...all),
    // It goes when all is published, and stays away for a while.
    logs: (...all) => cuts++ < 2 ? Promise.reject(away()) : inner.logs(...all),
    forget: (...all) => inner.forget(...all),
  };
  const links = { out: output(texts) };
  const task = await bench.task({
    links,
    executor,
    script: ({ out }) => sh`echo "$DATATASK_ATTEMPT" >${out}; echo said`,
  });
  for (let n = 0; n < 2; n++) await assert.rejects(bench.run(task), { code: "unavailable" });
  const ending = await bench.run(task);
  assert.equal(ending.reason, "succeeded", JSON.stringify(ending));
  assert.equal(starts, 1);
  assert.equal(await texts.text(attempt.job), "1\n");
  assert.match(await bench.logs.text((await Array.fromAsync(bench.logs))[0]!), /said/);
  await ending.release!();
  // What somebody has taken away meanwhile is begun anew.
  cuts = starts = 0;
  await assert.rejects(bench.run(task), { code: "unavailable" });
  await inner.forget(attempt);
  starts = 0;
  cuts = 2;
  assert.equal((await bench.run(task)).reason, "succeeded");
  assert.equal(starts, 1);
});
