import assert from "node:assert/strict";
import {
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  Pipeline,
  processTask,
  sh,
} from "../../../mod.ts";
import { sshExecutor, type SshExecutorOptions } from "../../../executors/ssh/mod.ts";
import { runAll, troubles } from "../../pipeline/kit.ts";
import { killCoordinator } from "../children.ts";
import { copying } from "./delivery_coordinator.ts";
import { OwnServer } from "./own_server.ts";
import { address, Place, sshTest } from "./server.ts";
import { until } from "../../kit/waiting.ts";

/** How often the coordinator is killed. */
const KILLS = Number(Deno.env.get("DATATASK_KILLS") ?? 5);

/** How many jobs there are. */
const JOBS = 4;

const COORDINATOR = new URL("delivery_coordinator.ts", import.meta.url);

async function books(
  place: Place,
  repository: { put(key: string, value: Uint8Array<ArrayBuffer>): Promise<void> },
) {
  const all: Uint8Array<ArrayBuffer>[] = [];
  for (let n = 0; n < JOBS; n++) {
    const bytes = new Uint8Array(3_000_000).map((_, i) => (i * (n + 3) + (i >> 7)) % 256);
    await repository.put(`job-${n}`, bytes);
    all.push(bytes);
  }
  Deno.writeTextFileSync(`${place.state}/marks`, "");
  return all;
}

sshTest(`scripts over SSH are adopted in any phase and published once, ${KILLS} times`, async () => {
  let killed = 0;
  for (let round = 0; round < KILLS; round++) {
    await using inner = new AsyncDisposableStack();
    const place = new Place(inner);
    const options = { ...address, root: place.root };
    const { pipeline, books: repository, copies, done } = copying(place.state, options, "sleep 0.3");
    const all = await books(place, repository);
    const args = [place.state, JSON.stringify(options), "sleep 0.3"];
    if (await killCoordinator(COORDINATOR, args, (round % 5) * 400 + Math.random() * 400)) killed++;
    const { summary, events } = await runAll(pipeline);
    const text = JSON.stringify(events);
    assert.equal(summary.failed, 0, text);
    assert.equal((await Array.fromAsync(done)).length, JOBS, text);
    for (let n = 0; n < JOBS; n++) {
      const copy = await copies.bytes(`job-${n}`);
      assert.equal(copy.length, 6_000_000);
      assert.deepEqual(copy.subarray(3_000_000), all[n]);
    }
    const marks = Deno.readTextFileSync(`${place.state}/marks`).trim().split("\n").sort();
    assert.deepEqual(marks, Array.from({ length: JOBS }, (_, n) => `job-${n}`), "a script was run twice");
    assert.deepEqual(place.leftovers(), []);
  }
  assert(killed > 0, "the coordinator was always over before it was killed");
});

sshTest("scripts over SSH outlive a coordinator that is killed, and hand over to the next", async (stack) => {
  const place = new Place(stack);
  const options = { ...address, root: place.root };
  const gate = `until [ -e '${place.state}/go' ]; do sleep 0.05; done`;
  const { pipeline, books: repository, copies } = copying(place.state, options, gate);
  await books(place, repository);
  const runs = () => until("a script runs", () => Deno.readTextFileSync(`${place.state}/marks`) !== "");
  assert(await killCoordinator(COORDINATOR, [place.state, JSON.stringify(options), gate], runs));
  Deno.writeTextFileSync(`${place.state}/go`, "");
  const { summary, events } = await runAll(pipeline);
  assert.equal(summary.failed, 0, JSON.stringify(events));
  assert(summary.adopted > 0);
  assert.equal((await Array.fromAsync(copies)).length, JOBS);
  const marks = Deno.readTextFileSync(`${place.state}/marks`).trim().split("\n");
  assert.equal(new Set(marks).size, marks.length, "a script was run twice");
});

sshTest("scripts over SSH find the agent again when the connection was lost", async (stack) => {
  const server = await OwnServer.start(stack);
  const place = new Place(stack);
  const options = { ...address, root: place.root, ...server.options };
  const gate = `until [ -e '${place.state}/go' ]; do sleep 0.05; done`;
  const { pipeline, books: repository, copies } = copying(place.state, options, gate);
  await books(place, repository);
  const running = runAll(pipeline);
  await until(
    "all run",
    () => Deno.readTextFileSync(`${place.state}/marks`).trim().split("\n").length === JOBS,
  );
  server.cut();
  Deno.writeTextFileSync(`${place.state}/go`, "");
  const { summary, events } = await running;
  assert.deepEqual([summary.succeeded, summary.failed], [JOBS, 0], JSON.stringify(events));
  assert.equal((await Array.fromAsync(copies)).length, JOBS);
});

/** A job that reads a text and runs a script, and what it ends with. */
async function one(place: Place, options: Partial<SshExecutorOptions>, script: string) {
  const texts = new MemoryBlobRepository("texts");
  const out = new MemoryBlobRepository("out");
  await texts.put("emma", "x".repeat(20_000_000));
  const task = processTask("say", {
    done: new MemoryMetadataRepository("done"),
    links: { texts: input(texts), out: output(out) },
    executor: sshExecutor({ ...address, root: place.root, name: "far", ...options }),
    retry: { attempts: 2, delay: 1 },
    script: ({ texts, out }) => sh`wc -c <${texts} >${out}; ${sh.raw(script)}`,
  });
  const pipeline = new Pipeline({ tasks: [task], state: `${place.state}/state`, random: () => 1 });
  const { events, summary } = await runAll(pipeline);
  assert.deepEqual([...Deno.readDirSync(place.root)], [], "something is left on the host");
  const outcomes = events.flatMap((event) => event.type === "finished" ? [event.outcome] : []);
  return { outcome: outcomes.at(-1), told: troubles(events), summary, text: JSON.stringify(events) };
}

sshTest("a host that forwards no ports is told of, with what to do", async (stack) => {
  const server = await OwnServer.start(stack, "\nDisableForwarding yes\n");
  const place = new Place(stack);
  const { outcome, told, summary, text } = await one(place, server.options, "");
  assert.deepEqual([outcome, summary.failed, summary.stuck, told.length], [undefined, 0, 1, 6], text);
  assert.match(
    told.at(-1)!,
    /^Cannot run job "emma" of task say; this is not counted as an attempt, and it is left for the next run: Cannot bring values to runs on far: its server forwards no ports to this machine \(.*\); allow it there \(AllowTcpForwarding remote\), or give the pipeline \{ agent: \{ hostname, url \} \}, an address of this machine that the host reaches$/,
  );
});

sshTest(
  "a worker that is killed with all its weight leaves nothing, and its job has failed",
  async (stack) => {
    const place = new Place(stack);
    const { outcome, text } = await one(
      place,
      {},
      // The parent of the script is the shell of the worker.
      `kill -s KILL "$(sed 's/.*) . \\([0-9]*\\) .*/\\1/' /proc/$(exec sh -c 'echo $PPID')/stat)"; sleep 60`,
    );
    assert.equal(outcome?.reason, "failed", text);
    assert.equal(outcome.signal, "SIGKILL");
    assert.deepEqual(place.leftovers(), []);
    const left = [...Deno.readDirSync("/proc")].filter(({ name }) => {
      try {
        return /^\d+$/.test(name) && Deno.readLinkSync(`/proc/${name}/cwd`).startsWith(`${place.root}/`) &&
          Deno.readLinkSync(`/proc/${name}/cwd`).includes("/say/");
      } catch {
        return false;
      }
    });
    assert.deepEqual(left, []);
  },
);

sshTest("requests are answered while nobody reads what was sent to a run", async (stack) => {
  const place = new Place(stack);
  const executor = await place.opened(stack);
  const big = new Uint8Array(1 << 20);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    let left = 200;
    return new Response(
      new ReadableStream({
        pull: (controller) => left-- > 0 ? controller.enqueue(big.slice()) : controller.close(),
      }),
    );
  });
  stack.defer(() => server.shutdown());
  const file = await executor.reach!.address({ hostname: "127.0.0.1", port: server.addr.port });
  const url = Deno.readTextFileSync(decodeURIComponent(file.slice("file://".length))).trim();
  // A reader of the host that reads nothing for as long as it likes.
  const slow = await fetch(url);
  stack.defer(() => slow.body!.cancel());
  for (let n = 0; n < 5; n++) {
    const attempt = { task: "quick", job: `job-${n}`, replica: 0, attempt: 1 };
    const work = {
      kind: "process",
      script: "exit 0",
      environment: {},
      mergeStderr: true,
      notes: {},
    } as const;
    await executor.start(attempt, work, { quota: {} });
    const status = await executor.wait(attempt);
    assert.equal(status.state, "finished");
    await executor.forget(attempt);
  }
  const fast = await fetch(url);
  assert.equal((await fast.arrayBuffer()).byteLength, 200 << 20);
});
