import assert from "node:assert/strict";
import type { Executor, ProcessWork } from "../../../executors/executor.ts";
import { until } from "../../kit/waiting.ts";
import { OwnServer } from "./own_server.ts";
import { busybox, Place, program, sshTest } from "./server.ts";

const attempt = (job: string) => ({ task: "work", job, replica: 0, attempt: 1 });
const work = (script: string): ProcessWork => ({
  kind: "process",
  script,
  environment: {},
  mergeStderr: true,
  notes: {},
});

/** Has a run, and tells the pid of the shell that watched over it. */
async function pidOf(executor: Executor<ProcessWork>, job: string, script = ":"): Promise<number> {
  await executor.start(attempt(job), work(script), { quota: {} });
  const { where } = await executor.wait(attempt(job));
  await executor.forget(attempt(job));
  return Number(/^pid (\d+) on /.exec(where)?.[1]);
}

/** Has runs, one after the other, until one shell has watched over two of them: whoever hears of an end may be quicker than its shell. */
async function reused(executor: Executor<ProcessWork>): Promise<number> {
  const seen = new Set<number>();
  for (let tries = 0;; tries++) {
    const pid = await pidOf(executor, `job-${tries}`);
    if (seen.has(pid)) return pid;
    seen.add(pid);
    assert(tries < 50, "no shell has watched over a second run");
  }
}

function lives(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

for (const [name, shell] of [["dash", "/bin/sh"], ["bash", "/bin/bash"], ["busybox", `${busybox} sh`]]) {
  sshTest(
    `sshExecutor() has one shell of ${name} watch over run after run, and hides them from each other`,
    async (stack) => {
      const place = new Place(stack);
      const executor = await place.opened(stack, { shell: shell! });
      const dirty =
        "cd /; umask 0; trap '' TERM; set -f; LEFT=1; export LEFT; exec 5>&1; sleep 1000 & exit 3";
      const look =
        `echo "$(basename "$PWD") $(umask) \${LEFT-none} $#"; trap; ( : >&5 ) 2>/dev/null || echo closed`;
      const clean = attempt("clean");
      const used = new Set<number>();
      for (let tries = 0, again = false; !again; tries++) {
        assert(tries < 50, "no shell has watched over a second run");
        used.add(await pidOf(executor, "dirty", dirty));
        await executor.start(clean, work(look), { quota: {} });
        const status = await executor.wait(clean);
        assert(status.state === "finished" && status.exitCode === 0, JSON.stringify(status));
        again = used.has(Number(/^pid (\d+) /.exec(status.where)?.[1]));
        const log = await new Response(await executor.logs(clean)).text();
        assert.match(log, /^cwd 0077 none 0\n(trap -- .* EXIT\n)?closed\n$/);
        await executor.forget(clean);
      }
    },
    name === "busybox" && busybox === "",
  );
}

sshTest("sshExecutor() sends watching shells away when it is closed", async (stack) => {
  const place = new Place(stack);
  const executor = place.executor();
  await executor.open({ state: place.state });
  const pid = await reused(executor);
  assert(lives(pid));
  await executor.close();
  await until("the shell is gone", () => !lives(pid));
  assert.deepEqual([...Deno.readDirSync(place.root)], []);
});

sshTest("sshExecutor() sends watching shells away when the connection is lost", async (stack) => {
  const place = new Place(stack);
  const server = await OwnServer.start(stack);
  const executor = await place.opened(stack, server.options);
  const pid = await reused(executor);
  server.cut();
  await until("the shell is gone", () => !lives(pid));
  assert.notEqual(await pidOf(executor, "after"), pid);
}, program === "");

sshTest("sshExecutor() sends those away at the next connection that nobody could tell", async (stack) => {
  const place = new Place(stack);
  const executor = await place.opened(stack);
  const pid = await reused(executor);
  const parent = Number(/\) \S (\d+) /.exec(Deno.readTextFileSync(`/proc/${pid}/stat`))![1]);
  assert.match(Deno.readTextFileSync(`/proc/${parent}/cmdline`), /sh/);
  Deno.kill(parent, "SIGKILL");
  assert.notEqual(await pidOf(executor, "after"), pid);
  await until("the shell is gone", () => !lives(pid));
});

sshTest("sshExecutor() gives no run to a watching shell that was killed", async (stack) => {
  const place = new Place(stack);
  const executor = await place.opened(stack);
  const pid = await reused(executor);
  Deno.kill(pid, "SIGKILL");
  await until("the shell is gone", () => !lives(pid));
  assert.notEqual(await pidOf(executor, "after"), pid);
});

sshTest("sshExecutor() has runs hear a polite stop right after their start", async (stack) => {
  const place = new Place(stack);
  const executor = await place.opened(stack);
  let next = 0;
  await Promise.all(Array.from({ length: 5 }, async () => {
    while (next < 200) {
      const run = attempt(`job-${next++}`);
      await executor.start(run, work("sleep 1000"), { quota: {} });
      await executor.stop(run, { graceMs: 600_000 });
      const status = await executor.wait(run);
      assert(status.state === "finished" && status.signal === "SIGTERM", JSON.stringify(status));
      await executor.forget(run);
    }
  }));
});

sshTest("sshExecutor() waits with a polite stop until there is somebody to hear it", async (stack) => {
  const place = new Place(stack);
  const shell = `${place.state}/slow-shell`;
  const slowly = "_z=0; while [ $_z -lt 100000 ]; do _z=$((_z + 1)); done";
  Deno.writeTextFileSync(
    shell,
    `#!/bin/sh
[ "$1" = -c ] || exec /bin/sh "$@"
text=$(printf '%s' "$2" | sed 's/^  ( unset/  ${slowly}; ( unset/')
shift 2
exec /bin/sh -c "$text" "$@"
`,
    { mode: 0o755 },
  );
  const executor = await place.opened(stack, { shell });
  const run = attempt("slow");
  await executor.start(run, work("sleep 1000"), { quota: {} });
  await executor.stop(run, { graceMs: 600_000 });
  const status = await executor.wait(run);
  assert(status.state === "finished" && status.signal === "SIGTERM", JSON.stringify(status));
  await executor.forget(run);
});
