import assert from "node:assert/strict";
import type { ErrorCode } from "../../../core/errors.ts";
import type { Executor, ProcessWork } from "../../../executors/executor.ts";
import { sshExecutor, type SshExecutorOptions } from "../../../executors/ssh/mod.ts";
import { MemoryMetadataRepository } from "../../../repositories/memory.ts";
import { processTask } from "../../../tasks/process.ts";
import type { WaitingRun } from "../../../tasks/runner.ts";
import { CuttingProxy } from "../../kit/cutting_proxy.ts";
import { OwnServer } from "./own_server.ts";
import { address, Place, program, sshTest } from "./server.ts";
import { refuses } from "../../kit/refuses.ts";
import { freePort } from "../../kit/own_process.ts";
import { until } from "../../kit/waiting.ts";

const attempt = { task: "work", job: "one", replica: 0, attempt: 1 };
const work = (script: string, extra: Partial<ProcessWork> = {}): ProcessWork => ({
  kind: "process",
  script,
  environment: {},
  mergeStderr: true,
  notes: {},
  ...extra,
});

async function read(executor: Executor<ProcessWork>): Promise<string> {
  return await new Response(await executor.logs(attempt)).text();
}

async function keygen(path: string, passphrase = ""): Promise<void> {
  const { success } = await new Deno.Command("ssh-keygen", {
    args: ["-q", "-t", "ed25519", "-N", passphrase, "-f", path],
  }).output();
  assert(success);
}

/** Opening must fail. */
function refusalTest(
  name: string,
  code: ErrorCode,
  message: RegExp,
  options: (folder: string) => Partial<SshExecutorOptions> | Promise<Partial<SshExecutorOptions>>,
): void {
  sshTest(`sshExecutor() refuses ${name}`, async (stack) => {
    const place = new Place(stack);
    const executor = place.executor(await options(place.state));
    await refuses(executor.open({ state: place.state }), code, message);
    await executor.close();
    assert.deepEqual([...Deno.readDirSync(place.root)], []);
  });
}

refusalTest(
  "an unknown host, and says how to add it",
  "denied",
  /^Cannot connect to \S+ for executor ssh \S+: its key ssh-ed25519 SHA256:\S+ is not in \S+\/none under \[127.0.0.1\]:\d+; compare it .*, then add it: ssh-keyscan -p \d+ 127.0.0.1 >> \S+\/none \(or give it as hostKey: "SHA256:/,
  (folder) => ({ knownHosts: `${folder}/none` }),
);
refusalTest(
  "a host with a changed key",
  "denied",
  /its key ssh-ed25519 SHA256:\S+ is not the one in .*: the host was set up anew, or somebody is in between; find out which, and only then: ssh-keygen -R/,
  async (folder) => {
    await keygen(`${folder}/other`);
    const key = Deno.readTextFileSync(`${folder}/other.pub`);
    Deno.writeTextFileSync(`${folder}/known`, `[127.0.0.1]:${address.port} ${key}`);
    return { knownHosts: `${folder}/known` };
  },
);
refusalTest(
  "a host with another key than the pinned one",
  "denied",
  /its key is ssh-ed25519 SHA256:\S+ and not SHA256:nope as hostKey says; it is another host/,
  () => ({ hostKey: "SHA256:nope" }),
);
refusalTest(
  "a host behind another that has another key than the pinned one, and does not blame the one on the way",
  "denied",
  /^Cannot connect to \S+@127\.0\.0\.1:\d+ for executor ssh \S+: its key is \S+ SHA256:\S+ and not SHA256:nope as hostKey says/,
  () => ({ hostKey: "SHA256:nope", proxyJump: address }),
);
refusalTest(
  "a host on the way there with another key than the pinned one, and says which it is",
  "denied",
  /^Cannot connect to \S+@localhost:\d+ for executor ssh \S+, whose proxyJump it is: its key is \S+ SHA256:\S+ and not SHA256:nope as hostKey says; it is another host/,
  () => ({ proxyJump: { ...address, host: "localhost", hostKey: "SHA256:nope" } }),
);
refusalTest(
  "to go on with a wrong key",
  "denied",
  /the server accepts none of the keys or passwords offered .*; check user and identity, and the authorized_keys there$/,
  async (folder) => {
    await keygen(`${folder}/wrong`);
    return { identity: `${folder}/wrong` };
  },
);
refusalTest(
  "a key that is not there",
  "denied",
  /the key \/no\/such cannot be read: /,
  () => ({ identity: "/no/such" }),
);
refusalTest(
  "an encrypted key without its passphrase",
  "denied",
  /\/locked: it is encrypted; give passphrase, or use the agent$/,
  async (folder) => {
    await keygen(`${folder}/locked`, "secret");
    return { identity: `${folder}/locked` };
  },
);
refusalTest(
  "an encrypted key with a wrong passphrase",
  "denied",
  /\/locked: the passphrase does not open it$/,
  async (folder) => {
    await keygen(`${folder}/locked`, "secret");
    return { identity: `${folder}/locked`, passphrase: "wrong" };
  },
);
refusalTest(
  "a port where nobody listens",
  "unavailable",
  /nobody listens at that port; see that the server runs, and that the port is right$/,
  () => ({ port: freePort() }),
);
refusalTest(
  "a name that no host has",
  "unavailable",
  /no host of that name is known; check the name, and the name server$/,
  () => ({ host: "no-such-host.invalid" }),
);

Deno.test("sshExecutor() refuses to work with too few channels", () => {
  for (const maxSessions of [2, 0, 4.5, NaN]) {
    assert.throws(() => sshExecutor({ host: "worker-1", user: "ada", maxSessions }), {
      code: "invalid-definition",
      message:
        `Executor ssh ada@worker-1 has maxSessions ${maxSessions}; write a whole number of at least 3, and let the server of the host allow as many (MaxSessions)`,
    });
  }
});

sshTest("sshExecutor() gives a host up that does not answer in time", async (stack) => {
  const place = new Place(stack);
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const executor = place.executor({ port: listener.addr.port, connectMs: 100 });
  await refuses(
    executor.open({ state: place.state }),
    "unavailable",
    /does not answer in time; see that it is up/,
  );
  (await listener.accept()).close();
});

sshTest("sshExecutor() takes a pinned key, an encrypted identity, and the text of one", async (stack) => {
  const place = new Place(stack);
  const { stdout } = await new Deno.Command("ssh-keygen", {
    args: ["-lf", address.identity.replace(/id$/, "host.pub")],
  }).output();
  const hostKey = new TextDecoder().decode(stdout).split(" ")[1]!;
  Deno.copyFileSync(address.identity, `${place.state}/locked`);
  Deno.chmodSync(`${place.state}/locked`, 0o600);
  await new Deno.Command("ssh-keygen", { args: ["-p", "-q", "-N", "secret", "-f", `${place.state}/locked`] })
    .output();
  const one = await place.opened(stack, { hostKey, knownHosts: "/no/such" });
  assert.deepEqual(await one.probe(), { healthy: true });
  const identity = Deno.readTextFileSync(`${place.state}/locked`);
  const two = await place.opened(stack, { identity, passphrase: "secret" });
  assert.deepEqual(await two.probe(), { healthy: true });
});

sshTest("sshExecutor() goes through another server", async (stack) => {
  const place = new Place(stack);
  const executor = await place.opened(stack, { proxyJump: address });
  await executor.start(attempt, work("echo through"), { quota: {} });
  assert.equal((await executor.wait(attempt)).state, "finished");
  assert.equal(await read(executor), "through\n");
});

sshTest("sshExecutor() sees runs to their end when the connection is cut in the middle", async (stack) => {
  const place = new Place(stack);
  const server = await OwnServer.start(stack);
  const executor = await place.opened(stack, server.options);
  const go = `${place.state}/go`;
  await executor.start(attempt, work(`echo 1; until [ -e ${go} ]; do sleep 0.02; done; echo 2; exit 3`), {
    quota: {},
  });
  const ended = executor.wait(attempt);
  const log = new Response(await executor.logs(attempt, { follow: true })).text();
  await until("the run has begun", async () => await read(executor) === "1\n");
  server.cut();
  Deno.writeTextFileSync(go, "");
  const status = await ended;
  assert(status.state === "finished" && status.exitCode === 3, JSON.stringify(status));
  assert.equal(await log, "1\n2\n");
  await executor.forget(attempt);
  assert.deepEqual(place.leftovers(), []);
}, program === "");

sshTest(
  "sshExecutor() sees runs to their end when the server is stopped and started again",
  async (stack) => {
    const place = new Place(stack);
    const server = await OwnServer.start(stack);
    const executor = await place.opened(stack, server.options);
    await executor.start(attempt, work("sleep 0.3; echo late; exit 4"), { quota: {} });
    const ended = executor.wait(attempt);
    await server.stop();
    const { healthy, reason } = await executor.probe();
    assert(!healthy);
    assert.match(reason!, /nobody listens at that port|connection was closed|closed the connection/);
    await server.up();
    const status = await ended;
    assert(status.state === "finished" && status.exitCode === 4, JSON.stringify(status));
    assert.equal(await read(executor), "late\n");
    await executor.forget(attempt);
    assert.deepEqual(place.leftovers(), []);
  },
  program === "",
);

sshTest(
  "sshExecutor() fails with unavailable when its host stays away, and starts nothing twice",
  async (stack) => {
    const place = new Place(stack);
    const server = await OwnServer.start(stack);
    const executor = await place.opened(stack, { ...server.options, patienceMs: 300 });
    await executor.start(attempt, work("exit 0"), { quota: {} });
    await executor.wait(attempt);
    await server.stop();
    const other = { ...attempt, job: "two" };
    await refuses(
      executor.start(other, work("exit 0"), { quota: {} }),
      "unavailable",
      /^Cannot start work\/two on ssh \S+: the connection was lost and not had again: .*; see that the host is up, and run again$/,
    );
    await server.up();
    await executor.start(other, work("exit 0"), { quota: {} });
    await executor.wait(other);
    for (const who of [attempt, other]) await executor.forget(who);
  },
  program === "",
);

sshTest(
  "sshExecutor() leaves it to a run to say that its host is away, and why",
  async (stack) => {
    const place = new Place(stack);
    const server = await OwnServer.start(stack);
    const executor = await place.opened(stack, server.options);
    const done = new MemoryMetadataRepository("done");
    const { runner } = processTask(attempt.task, { done, executor, script: ":" });
    await runner.open!({ state: place.state });
    await executor.start(attempt, work("sleep 0.1"), { quota: {} });
    const { signal } = new AbortController();
    const waits = (): Promise<WaitingRun[]> => Array.fromAsync(runner.waits!(attempt.task, { signal }));
    assert.deepEqual(await waits(), []);
    await server.stop();
    const [{ attempt: who, why }] = await waits() as [WaitingRun];
    assert.equal(who, undefined);
    assert.match(why, /nobody listens at that port|connection was closed|closed the connection/);
    await server.up();
    await executor.wait(attempt);
    assert.deepEqual(await waits(), []);
    await executor.forget(attempt);
  },
  program === "",
);

sshTest("sshExecutor() tells that a run is lost whose watching shell was killed", async (stack) => {
  const place = new Place(stack);
  const executor = await place.opened(stack);
  await executor.start(attempt, work("echo up; sleep 60"), { quota: {} });
  await until("the run has begun", async () => await read(executor) === "up\n");
  let pid = 0;
  for await (const status of executor.list()) pid = Number(/pid (\d+)/.exec(status.where)?.[1]);
  Deno.kill(pid, "SIGKILL");
  const status = await executor.wait(attempt);
  assert(status.state === "lost");
  assert.match(
    status.reason,
    /^its watching shell, pid \d+, was killed, and the rest of its processes with it$/,
  );
  await executor.forget(attempt);
  assert.deepEqual(place.leftovers(), []);
});

sshTest("sshExecutor() tells that the host was restarted while a run ran", async (stack) => {
  const place = new Place(stack);
  const one = await place.opened(stack);
  await one.start(attempt, work("sleep 60"), { quota: {} });
  await one.stop(attempt, { graceMs: 5000 });
  const file = [...Deno.readDirSync(place.root)].map((id) => `${place.root}/${id.name}`)[0]!;
  const host = `${file}/${[...Deno.readDirSync(file)][0]!.name}`;
  const record = Deno.readTextFileSync(`${host}/work/one.0.1/record`).split("\n")[0]!.split(" ");
  record[3] = "another-boot";
  Deno.writeTextFileSync(`${host}/work/one.0.1/record`, record.join(" ") + "\n");
  const two = await place.opened(stack);
  const status = await two.wait(attempt);
  assert(
    status.state === "lost" && status.reason === "the host was restarted while it ran",
    JSON.stringify(status),
  );
  await two.forget(attempt);
});

sshTest("sshExecutor() says that it cannot write there", async (stack) => {
  const place = new Place(stack);
  const executor = place.executor({ root: "/proc/nope" });
  await refuses(executor.open({ state: place.state }), "cannot-start", /^Cannot use \S+ on ssh \S+: mkdir: /);
});

sshTest("sshExecutor() keeps secrets of the environment off every command line", async (stack) => {
  const place = new Place(stack);
  const executor = await place.opened(stack, { environment: { HOST_SECRET: "hush-1" } });
  await executor.start(
    attempt,
    work('echo "$HOST_SECRET $SECRET"; cat', {
      environment: { SECRET: "hush-2" },
      stdin: new ReadableStream({
        pull: (controller) => {
          controller.enqueue(new TextEncoder().encode("done\n"));
          controller.close();
        },
      }),
    }),
    { quota: {} },
  );
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
    try {
      assert(!/hush-[12]/.test(Deno.readTextFileSync(`/proc/${name}/cmdline`)), name);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    }
  }
  await executor.wait(attempt);
  assert.equal(await read(executor), "hush-1 hush-2\ndone\n");
  await executor.forget(attempt);
});

sshTest("sshExecutor() leaves nothing on the host once it is closed", async (stack) => {
  const place = new Place(stack);
  const executor = place.executor();
  await executor.open({ state: place.state });
  await executor.start(attempt, work("mkdir -p a/b; chmod 0 a; sleep 60 &"), { quota: {} });
  assert.equal((await executor.wait(attempt)).state, "finished");
  await executor.forget(attempt);
  await executor.close();
  assert.deepEqual(place.leftovers(), []);
  assert.deepEqual([...Deno.readDirSync(place.root)], []);
});

sshTest(
  "sshExecutor() holds nothing of connections that were cut in the middle of a packet",
  async (stack) => {
    const server = await OwnServer.start(stack);
    const place = new Place(stack);
    // Each is cut in the middle of a long answer: the first bytes of a packet have come, and the rest never will.
    const budgets = Array.from({ length: 12 }, (_, n) => 60_000 + n * 7_001);
    const proxy = stack.use(new CuttingProxy(() => server.port, budgets));
    const executor = await place.opened(stack, server.at(proxy.port));
    await executor.start(attempt, work("head -c 1000000 /dev/zero"), { quota: {} });
    assert.equal((await executor.wait(attempt)).state, "finished");
    await until("all connections are cut that will be", async () => {
      await read(executor).catch(() => {});
      return !proxy.more;
    });
    assert.equal((await read(executor)).length, 1_000_000);
    await executor.forget(attempt);
  },
  program === "",
);
