/** Tests of pools of workers whose coordinator is a program of its own: one that is killed, and one that may make threads. */
import assert from "node:assert/strict";
import { alive } from "../kit/waiting.ts";

const CHILD = import.meta.resolve("./worker_pool_child.ts");

function coordinator(
  flags: readonly string[],
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", ...flags, CHILD, ...args],
    stdout: "piped",
    env: { NO_COLOR: "1", ...env },
  }).spawn();
}

/** The lines that a coordinator tells, read as they come. */
async function* told(child: Deno.ChildProcess): AsyncGenerator<Record<string, string>, void, void> {
  let rest = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
}

Deno.test("A worker whose body never comes back ends with its coordinator, however that ends", async () => {
  const child = coordinator([], ["subprocess", "loop"]);
  let pid = 0;
  for await (const { where, line } of told(child)) {
    if (where) pid = Number(/\d+/.exec(where)![0]);
    if (line === "looping") break;
  }
  Deno.kill(pid, "SIGCONT");
  child.kill("SIGKILL");
  await child.status;
  // The shell beside it hears of it at once; nothing here depends on how soon.
  while (alive(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
});

Deno.test("Threads run bodies with permissions of their own, where Deno allows it", async () => {
  const secret = await Deno.makeTempFile();
  const acts = [
    "echo hello",
    "pid",
    "pid",
    "throw bad",
    "exit 3",
    "reject",
    `read ${secret}`,
    "net http://127.0.0.1:65530/",
    "run true",
    "say",
    "forget",
    "echo after",
  ];
  const child = coordinator(["--unstable-worker-options"], ["worker", ...acts]);
  const lines = await Array.fromAsync(told(child));
  const { success } = await child.status;
  assert(success);
  const ends = lines.filter(({ reason }) => reason).map(({ text, error }) => text ?? error);
  assert.deepEqual(ends, [
    "hello",
    `${child.pid} 1`,
    `${child.pid} 2`,
    "bad",
    "The worker left with code 3 before the body had returned; a body returns or throws, and does not call Deno.exit()",
    "nobody waits for me",
    `Requires read access to "${secret}"; to allow it, add permissions: { read: ["${secret}"] } to task acts`,
    `Requires net access to "127.0.0.1:65530"; to allow it, add permissions: { net: ["127.0.0.1:65530"] } to task acts`,
    `Requires run access to "true"; to allow it, add permissions: { run: ["true"] } to task acts`,
    "said",
    "forgotten",
    "after",
  ]);
  assert.deepEqual(lines.filter(({ line }) => line).map(({ line }) => line), [
    "by log { a: 1 }",
    "by console",
    "by error",
  ]);
  await Deno.remove(secret);
});

/** The threads of a coordinator that runs acts, and how these ended. */
async function threads(acts: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = coordinator(["--unstable-worker-options"], ["worker", ...acts], env);
  const lines = await Array.fromAsync(told(child));
  assert((await child.status).success);
  return {
    pid: child.pid,
    places: lines.flatMap(({ where }) => where ?? []),
    ends: lines.filter(({ reason }) => reason).map(({ reason, text }) => text ?? reason),
  };
}

Deno.test("A thread is not used again when it has had its number of jobs", async () => {
  const { pid, places, ends } = await threads(["pid", "pid", "pid", "pid", "pid"], { RECYCLE_JOBS: "2" });
  assert.deepEqual(ends, [`${pid} 1`, `${pid} 2`, `${pid} 1`, `${pid} 2`, `${pid} 1`]);
  assert.deepEqual(places, ["thread 1", "thread 1", "thread 2", "thread 2", "thread 3"]);
});

Deno.test("The job of a thread that never comes back is over when it is cancelled, and others go on in another", async () => {
  const { places, ends } = await threads(["echo before", "loop", "echo after"]);
  assert.deepEqual(ends, ["before", "cancelled", "after"]);
  assert.deepEqual(places, ["thread 1", "thread 1", "thread 2"]);
});
