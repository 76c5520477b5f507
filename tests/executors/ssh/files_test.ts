/** Large values go over SFTP, both ways, whatever happens meanwhile; and by HTTP where there is no SFTP. */
import assert from "node:assert/strict";
import { smallDisk } from "../../kit/small_disk.ts";
import { runAll, troubles } from "../../pipeline/kit.ts";
import { until } from "../../kit/waiting.ts";
import {
  FileRepository,
  input,
  MemoryMetadataRepository,
  output,
  Pipeline,
  processTask,
  requires,
  sh,
} from "../../../mod.ts";
import { killCoordinator } from "../children.ts";
import { type Copy, copyAll, odd, watched } from "./copied.ts";
import { copying } from "./delivery_coordinator.ts";
import { OwnServer } from "./own_server.ts";
import { address, Place, program, sshTest } from "./server.ts";

const MB = 1_000_000;

sshTest("large values go over SFTP, both ways and two at once, and small ones do not", async (stack) => {
  const place = new Place(stack);
  const { executor, copies } = watched(place.executor());
  await copyAll(place.state, executor, { one: odd(40 * MB, 1), two: odd(20 * MB, 2), small: odd(MB, 3) });
  const sum = (job: string, way: string): number =>
    copies.filter((copy) => copy.job === job && copy.way === way)
      .reduce((bytes, copy) => bytes + copy.bytes, 0);
  for (const way of ["write", "read"]) {
    assert.deepEqual([sum("one", way), sum("two", way), sum("small", way)], [40 * MB, 20 * MB, 0], way);
  }
  assert.deepEqual(copies.filter(({ error }) => error), []);
  assert.deepEqual(place.leftovers(), []);
});

for (
  const [what, sftp] of [["has no SFTP", ""], ["cannot start SFTP", "/bin/false"], [
    "has something else for SFTP",
    "/bin/cat",
  ]] as const
) {
  sshTest(`a server that ${what} is noticed once, and large values come by HTTP`, async (stack) => {
    const server = await OwnServer.start(stack, "", sftp);
    const place = new Place(stack);
    const { executor, copies } = watched(place.executor(server.options));
    const told = await copyAll(place.state, executor, { large: odd(10 * MB, 1) });
    assert.deepEqual(copies.map(({ way, bytes }) => [way, bytes]), [["write", 0], ["read", 0]]);
    assert(copies[0]!.error !== undefined && copies[0]!.error === copies[1]!.error, "it was asked again");
    assert.deepEqual(troubles(told.events), []);
  }, program === "");
}

sshTest("a copy over SFTP goes on where its connection was cut, both ways", async (stack) => {
  const server = await OwnServer.start(stack);
  const place = new Place(stack);
  const cut = new Set<string>();
  const { executor, copies } = watched(place.executor(server.options), async (way, before, chunks) => {
    // The first turn of a copy to a host ends early, so that there is another.
    if (way === "write" && before === 0) await new Promise((resolve) => setTimeout(resolve, 300));
    // Of so many chunks some have arrived, as only a few are on their way.
    if (chunks !== 12 || before !== (way === "write" ? 1 : 0)) return;
    cut.add(way);
    server.cut();
  });
  await copyAll(place.state, executor, { large: odd(40 * MB, 1) });
  assert.deepEqual([...cut], ["write", "read"]);
  const starts = (way: string) => copies.filter((copy) => copy.way === way).map(({ start }) => start);
  const [first, second, third] = starts("write");
  assert(first === 0 && second! > 0 && third! > second!, `${starts("write")}`);
  assert(starts("read")[1]! > 0, `${starts("read")}`);
  assert.deepEqual(place.leftovers(), []);
}, program === "");

/** Signals the sessions of SFTP of a server, and not the connections that they are on. */
function signalSftp(server: OwnServer, signal: "SIGKILL" | "SIGSTOP"): number {
  const found = server.sessions().filter((pid) =>
    Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes("internal-sftp")
  );
  for (const pid of found) Deno.kill(pid, signal);
  return found.length;
}

/** The ways of copies that have failed. */
const failed = (copies: readonly Copy[]): string[] =>
  copies.filter(({ error }) => error).map(({ way }) => way);

sshTest("a value whose session of SFTP ends in the middle comes and goes by HTTP", async (stack) => {
  const server = await OwnServer.start(stack);
  const place = new Place(stack);
  const ended: number[] = [];
  const { executor, copies } = watched(place.executor(server.options), (_way, _copies, chunks) => {
    if (chunks === 12) ended.push(signalSftp(server, "SIGKILL"));
  });
  const told = await copyAll(place.state, executor, { large: odd(20 * MB, 1) });
  assert.deepEqual(ended, [1, 1]);
  assert.deepEqual(failed(copies), ["write", "read"]);
  assert.deepEqual(troubles(told.events), []);
  assert.deepEqual(place.leftovers(), []);
}, program === "");

sshTest("a value whose session of SFTP stands still comes by HTTP", async (stack) => {
  const server = await OwnServer.start(stack);
  const place = new Place(stack);
  const { executor, copies } = watched(place.executor(server.options), (way, _copies, chunks) => {
    if (way === "write" && chunks === 12) assert.equal(signalSftp(server, "SIGSTOP"), 1);
  });
  const told = await copyAll(place.state, executor, { large: odd(20 * MB, 1) });
  assert.deepEqual(failed(copies), ["write"]);
  assert.deepEqual(troubles(told.events), []);
  assert.deepEqual(place.leftovers(), []);
}, program === "");

const COORDINATOR = new URL("delivery_coordinator.ts", import.meta.url);

/** Files below a folder whose name ends so, that hold something. */
function filled(folder: string, end: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    try {
      if (isDirectory) return filled(path, end);
      return path.endsWith(end) && Deno.statSync(path).size > 0 ? [path] : [];
    } catch {
      return []; // It is gone.
    }
  });
}

for (const [what, end] of [["to", "main.part"], ["from", ".part"]] as const) {
  sshTest(
    `a coordinator that is killed in a copy ${what} a host is followed by one that goes on`,
    async (stack) => {
      const place = new Place(stack);
      const options = { ...address, root: place.root };
      const { pipeline, books, copies } = copying(place.state, options, "");
      await books.put("large", odd(30 * MB, 1));
      Deno.writeTextFileSync(`${place.state}/marks`, "");
      Deno.mkdirSync(`${place.state}/copies`, { recursive: true });
      const where = what === "to" ? place.root : `${place.state}/copies`;
      // On a slow machine the copy may be over before it is seen.
      const over = (): boolean => filled(place.state, what === "to" ? "marks" : "copies/large").length > 0;
      const instant = () => until("it is copied", () => filled(where, end).length > 0 || over());
      await killCoordinator(COORDINATOR, [place.state, JSON.stringify(options), ""], instant);
      const { summary, events } = await runAll(pipeline);
      assert.equal(summary.failed, 0, JSON.stringify(events));
      const copy = await copies.bytes("large");
      const book = odd(30 * MB, 1);
      assert.equal(copy.length, 60 * MB);
      assert(copy.every((byte, i) => byte === book[i % (30 * MB)]), "it is another value");
      assert.equal(Deno.readTextFileSync(`${place.state}/marks`), "large\n");
      assert.deepEqual(place.leftovers(), []);
    },
  );
}

sshTest(
  "a copy over SFTP leaves a channel to others, and the one that it has when the server allows no more",
  async (stack) => {
    const server = await OwnServer.start(stack, "\nMaxSessions 3\n");
    const few = new Place(stack);
    const told = watched(few.executor({ ...server.options, maxSessions: 3 }));
    await copyAll(few.state, told.executor, { large: odd(10 * MB, 1) });
    assert.deepEqual(told.copies.map(({ way, bytes }) => [way, bytes]), [["write", 0], ["read", 0]]);
    const place = new Place(stack);
    const begun = `${place.state}/begun`;
    const done = new MemoryMetadataRepository("done");
    const { executor, copies } = watched(place.executor(server.options), async (_way, before, chunks) => {
      if (before > 0 || chunks > 0) return;
      Deno.writeTextFileSync(begun, "");
      await until("the other job is done", () => done.has("small"));
    });
    const books = new FileRepository(`${place.state}/books`);
    await books.put("large", odd(10 * MB, 1));
    const words = new MemoryMetadataRepository("words");
    await words.set("small", {});
    const copy = processTask("copy", {
      done: new MemoryMetadataRepository("copied"),
      links: { books: input(books) },
      executor,
      script: ({ books }) => sh`wc -c <${books}`,
    });
    // Its log takes a channel when it ends, and that is in the middle of the copy.
    const small = processTask("small", {
      done,
      links: { words: requires(words) },
      executor,
      script: () => sh`until [ -e ${begun} ]; do sleep 0.1; done; echo ended`,
    });
    const pipeline = new Pipeline({ tasks: [copy, small], state: `${place.state}/state` });
    const { events, summary } = await runAll(pipeline);
    assert.deepEqual([summary.succeeded, summary.started], [2, 2], JSON.stringify(events));
    assert.deepEqual(troubles(events), []);
    assert.equal(copies.length, 1, "it was asked again, or never");
    assert.deepEqual(place.leftovers(), []);
  },
  program === "",
);

sshTest("a copy over SFTP that the disk of the host has no room for is told of, as any", async (stack) => {
  const place = new Place(stack);
  const disk = stack.use(await smallDisk(place.root, "12m"));
  if (disk.options.ignore) return;
  // A server started earlier may not see the mount.
  const server = await OwnServer.start(stack);
  const { executor, copies } = watched(place.executor(server.options));
  const books = new FileRepository(`${place.state}/books`);
  await books.put("large", odd(30 * MB, 1));
  const task = processTask("count", {
    done: new MemoryMetadataRepository("done"),
    links: { books: input(books) },
    executor,
    script: ({ books }) => sh`wc -c <${books}`,
  });
  const pipeline = new Pipeline({ tasks: [task], state: `${place.state}/state`, random: () => 1 });
  const { events, summary } = await runAll(pipeline);
  assert.deepEqual([summary.succeeded, summary.failed, summary.stuck], [0, 0, 1], JSON.stringify(events));
  assert(copies[0]!.bytes > 0, "nothing was copied");
  assert.match(troubles(events).at(-1)!, /cannot bring input books: it cannot be written to .*No space left/);
  assert.deepEqual(place.leftovers(), []);
}, Deno.uid() !== 0 || program === "");

sshTest(
  "a run that is stopped while an output comes leaves nothing of it beside the values",
  async (stack) => {
    const place = new Place(stack);
    const books = new FileRepository(`${place.state}/books`);
    const copies = new FileRepository(`${place.state}/copies`);
    await books.put("large", odd(20 * MB, 1));
    const begun = Promise.withResolvers<void>();
    const stopped = new AbortController();
    const { executor } = watched(place.executor(), async (way, _copies, chunks) => {
      if (way !== "read" || chunks !== 12) return;
      begun.resolve();
      await new Promise((resolve) => stopped.signal.addEventListener("abort", resolve));
    });
    const task = processTask("copy", {
      done: new MemoryMetadataRepository("done"),
      links: { books: input(books), copies: output(copies) },
      executor,
      script: ({ books, copies }) => sh`cat ${books} >${copies}`,
    });
    const run = new Pipeline({ tasks: [task], state: `${place.state}/state` }).run();
    const reader = (async () => {
      for await (const event of run) if (event.type === "stopping") stopped.abort();
    })();
    await begun.promise;
    assert.equal([...Deno.readDirSync(`${place.state}/copies`)].length, 1);
    run.stop("stop");
    await reader;
    assert.deepEqual([...Deno.readDirSync(`${place.state}/copies`)], []);
    assert.deepEqual(place.leftovers(), []);
  },
);
