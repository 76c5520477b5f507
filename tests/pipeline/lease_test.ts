import assert from "node:assert/strict";
import { takeLease } from "../../pipeline/lease.ts";
import { leaseHolder } from "../../pipeline/lease.ts";
import { pipelineIn, storesIn } from "./shared_pipeline.ts";
import { until } from "../kit/waiting.ts";
import { smallDisk } from "../kit/small_disk.ts";
import { inFolder } from "../kit/folder.ts";

/** A coordinator in another process, and the lines it has said. */
class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly lines: string[] = [];
  readonly #reading: Promise<void>;

  constructor(folder: string, ...args: string[]) {
    const process = this.#process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-check",
        "-A",
        new URL("./coordinator_child.ts", import.meta.url).pathname,
        folder,
        ...args,
      ],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#reading = (async () => {
      let rest = "";
      for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        this.lines.push(...lines);
      }
    })();
  }

  get pid(): number {
    return this.#process.pid;
  }

  async says(line: string): Promise<void> {
    await until(() => this.lines.includes(line));
  }

  async end(signal?: Deno.Signal): Promise<number> {
    if (signal) this.#process.kill(signal);
    await this.#reading;
    return (await this.#process.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch { /* it has ended */ }
    await this.#reading;
    await this.#process.status;
  }
}

Deno.test("A lease is held once, is given back, and tells who holds it", () =>
  inFolder(async (folder) => {
    const path = `${folder}/lease`;
    assert.equal(await leaseHolder(path), undefined);
    const lease = await takeLease(path, { whenHeld: "fail" });
    const holder = await leaseHolder(path);
    assert.deepEqual(holder, lease.holder);
    assert.equal(holder!.pid, Deno.pid);
    await assert.rejects(takeLease(path, { whenHeld: "fail" }), {
      code: "lease-held",
      message: `Cannot run: the pipeline is already being run by process ${Deno.pid} on ${
        holder!.host
      }, since ${holder!.since} (${holder!.command}); wait until it has ended, or stop it first`,
    });
    await lease[Symbol.asyncDispose]();
    assert.equal(await leaseHolder(path), undefined);
    const next = await takeLease(path, { whenHeld: "fail" });
    assert.deepEqual([lease.clean, next.clean], [false, true]);
    await next[Symbol.asyncDispose]();
  }));

Deno.test("A lease on a full disk is refused with what to do, and is had once there is room", async (t) => {
  await inFolder(async (folder) => {
    await using disk = await smallDisk(folder, "16k");
    await t.step({
      name: "on a real one",
      ...disk.options,
      fn: async () => {
        await new Deno.Command("sh", { args: ["-c", `cat /dev/zero >${folder}/filler`], stderr: "null" })
          .output();
        await assert.rejects(takeLease(`${folder}/lease`, { whenHeld: "fail" }), {
          code: "no-space",
          message:
            `Cannot take the lease at ${folder}/lease: No space left on device (os error 28); free some space, or put it elsewhere, and run again`,
        });
        Deno.removeSync(`${folder}/filler`);
        await using lease = await takeLease(`${folder}/lease`, { whenHeld: "fail" });
        assert.equal(lease.holder.pid, Deno.pid);
      },
    });
  });
});

Deno.test("Waiting for a lease tells once who holds it, ends when it is given back, and can be ended", () =>
  inFolder(async (folder) => {
    const path = `${folder}/lease`;
    const lease = await takeLease(path, { whenHeld: "fail" });
    const told: number[] = [];
    const waiting = takeLease(path, { whenHeld: "wait", onWait: ({ pid }) => told.push(pid) });
    const aborter = new AbortController();
    const aborted = takeLease(path, { whenHeld: "wait", signal: aborter.signal });
    await until(() => told.length > 0);
    aborter.abort(new Error("enough"));
    await assert.rejects(aborted, { message: "enough" });
    await lease[Symbol.asyncDispose]();
    const next = await waiting;
    assert.equal(next.clean, true);
    await next[Symbol.asyncDispose]();
    assert.deepEqual(told, [Deno.pid]);
  }));

Deno.test("A second pipeline over the same state is refused while the first runs, in one process too", () =>
  inFolder(async (folder) => {
    const [one, two] = [pipelineIn(folder), pipelineIn(folder)];
    await storesIn(folder).jobs.put("job", "");
    const first = one.run();
    await until(() => first.running().length === 1);
    await assert.rejects(two.run().finished, { code: "lease-held" });
    await storesIn(folder).go.put("job", "");
    assert.equal((await first.finished).succeeded, 1);
    assert.equal((await two.run().finished).started, 0);
  }));

Deno.test("A second process is refused, can look, can cancel, can wait; a killed one leaves no lease", () =>
  inFolder(async (folder) => {
    const { jobs, go, out } = storesIn(folder);
    for (const job of ["one", "two"]) await jobs.put(job, "");
    const here = pipelineIn(folder);
    await using first = new Child(folder);
    await Promise.all([first.says("started wait/one"), first.says("started wait/two")]);
    await assert.rejects(here.run().finished, {
      code: "lease-held",
      message: new RegExp(`^Cannot run: the pipeline is already being run by process ${first.pid} on `),
    });
    assert.equal((await here.coordinator())!.pid, first.pid);
    const status = await here.status();
    assert.equal(status.coordinator!.pid, first.pid);
    const [{ counts, running }] = status.tasks as [typeof status.tasks[0]];
    assert.deepEqual([counts.running, counts.ready], [2, 0]);
    assert.deepEqual(running.map(({ job, where }) => [job, where]).sort(), [
      ["one", `in process ${first.pid}`],
      ["two", `in process ${first.pid}`],
    ]);
    assert.equal((await here.why("wait", "one")).text, `It is running (in process ${first.pid})`);

    assert.equal(await here.cancel("wait", "one"), true);
    await first.says("finished wait/one");
    assert.equal((await here.task("wait").outcomes.failed.get("one")).reason, "cancelled");
    assert.equal(await here.cancel("wait", "one"), false);
    assert.equal(await here.cancel("wait", "never"), false);

    const waiting = here.run({ whenHeld: "wait" });
    const holders: number[] = [];
    for await (const event of waiting) {
      if (event.type === "lease-waiting") {
        holders.push(event.holder.pid);
        await first.end("SIGKILL");
      }
      if (event.type === "started") {
        assert.deepEqual(event.attempt, { task: "wait", job: "two", replica: 0, attempt: 1 });
        await go.put("two", "");
      }
    }
    const { tasks } = await waiting.finished;
    assert.deepEqual([holders, tasks.wait!.done, tasks.wait!.failed], [[first.pid], 1, 1]);
    assert.equal(await out.text("two"), String(Deno.pid));
    assert.equal(await here.coordinator(), undefined);
  }));

Deno.test("A run whose state folder is taken away stops and says so; the next one completes its work", () =>
  inFolder(async (folder) => {
    const { jobs, go, out } = storesIn(folder);
    await jobs.put("one", "");
    const run = pipelineIn(folder).run();
    const troubles: string[] = [];
    for await (const event of run) {
      if (event.type === "started") await Deno.remove(`${folder}/state`, { recursive: true });
      if (event.type === "trouble") troubles.push(event.message);
    }
    const { ended, stuck, failed } = await run.finished;
    assert.deepEqual([ended, stuck, failed], ["stopped", 1, 0]);
    assert.match(
      troubles.join("\n"),
      /^The lease at .* is gone, so that somebody else can run the pipeline too: stopping; /,
    );
    await go.put("one", "");
    assert.equal((await pipelineIn(folder).run().finished).succeeded, 1);
    assert(await out.has("one"));
  }));
