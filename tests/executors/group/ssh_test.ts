import assert from "node:assert/strict";
import { executorGroup } from "../../../executors/group/mod.ts";
import {
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  Pipeline,
  processTask,
  sh,
} from "../../../mod.ts";
import { freePort } from "../../kit/own_process.ts";
import { runAll } from "../../pipeline/kit.ts";
import { testExecutor } from "../../../testing/executor_suite.ts";
import { OwnServer } from "../ssh/own_server.ts";
import { copyAll, odd, watched } from "../ssh/copied.ts";
import { available, Place, program, sshTest } from "../ssh/server.ts";

const JOBS = 8;

/** A pipeline whose scripts run on two hosts, and write on which; the second one can be made one that nobody answers for. */
async function twoHosts(stack: AsyncDisposableStack, second: { port?: number } = {}) {
  const [left, right] = [new Place(stack), new Place(stack)];
  const hosts = [
    left.executor({ name: "left", capacity: { cpu: 2 }, environment: { HOST: "left" } }),
    right.executor({ name: "right", capacity: { cpu: 2 }, environment: { HOST: "right" }, ...second }),
  ];
  const books = new MemoryBlobRepository("books");
  const copies = new MemoryBlobRepository("copies");
  const copy = processTask("copy", {
    done: new MemoryMetadataRepository("done"),
    executor: executorGroup({ name: "hosts", executors: hosts }),
    quota: { cpu: 1 },
    links: { books: input(books), copies: output(copies) },
    script: ({ books, copies }) => sh`{ cat ${books}; echo " $HOST"; } > ${copies}; sleep 0.1`,
  });
  for (let n = 0; n < JOBS; n++) await books.put(`job-${n}`, `text ${n}`);
  const pipeline = new Pipeline({ tasks: [copy], state: left.state });
  const texts = () => Promise.all(Array.from({ length: JOBS }, (_, n) => copies.text(`job-${n}`)));
  return { pipeline, texts, places: [left, right] };
}

sshTest("executorGroup() shares jobs among hosts, each with its own way to the agent", async (stack) => {
  const { pipeline, texts, places } = await twoHosts(stack);
  const { summary, events } = await runAll(pipeline);
  assert.deepEqual([summary.succeeded, summary.failed], [JOBS, 0], JSON.stringify(events));
  const hosts = (await texts()).map((text, n) => {
    assert(text.startsWith(`text ${n} `), text);
    return text.trim().split(" ").at(-1)!;
  });
  assert.deepEqual([...new Set(hosts)].sort(), ["left", "right"]);
  for (const place of places) assert.deepEqual(place.leftovers(), []);
});

sshTest("executorGroup() has the host of a run copy its large values", async (stack) => {
  const hosts = [1, 2].map((cpu) => {
    const place = new Place(stack);
    return { place, ...watched(place.executor({ name: `host-${cpu}`, capacity: { cpu } })) };
  });
  const group = executorGroup({ name: "hosts", executors: hosts.map(({ executor }) => executor) });
  // Only the second has room for it.
  await copyAll(hosts[0]!.place.state, group, { large: odd(10_000_000, 1) }, { cpu: 2 });
  const copied = hosts.map(({ copies }) => copies.reduce((sum, { bytes }) => sum + bytes, 0));
  assert.deepEqual(copied, [0, 20_000_000]);
});

sshTest("executorGroup() goes on without a host that nobody answers for", async (stack) => {
  const { pipeline, texts } = await twoHosts(stack, { port: freePort() });
  const { summary, events } = await runAll(pipeline);
  assert.deepEqual([summary.succeeded, summary.failed], [JOBS, 0], JSON.stringify(events));
  for (const text of await texts()) assert.match(text, / left\n$/);
});

/** Servers of those that cut or restart them, by their state. */
const servers = new Map<string, OwnServer>();

testExecutor("executorGroup() of two hosts", {
  async make(stack) {
    const places = [new Place(stack), new Place(stack)];
    const server = await OwnServer.start(stack);
    const { state } = places[0]!;
    servers.set(state, server);
    const executors = places.map((place, i) =>
      place.executor({ name: `host-${i}`, capacity: { cpu: 64 }, ...server.options })
    );
    const leftovers = () => places.flatMap((place) => place.leftovers());
    return { executor: executorGroup({ name: "hosts", executors }), state, leftovers };
  },
  cut: ({ state }) => servers.get(state)!.cut(),
  async restart({ state }) {
    await servers.get(state)!.stop();
    await servers.get(state)!.up();
  },
  // All else is asked of SSH and of groups by themselves.
  test: (name, fn, _, fault) =>
    fault !== undefined && Deno.test({ name, fn, ignore: !available || program === "" }),
});
