import assert from "node:assert/strict";
import { isDatataskError } from "../../../core/errors.ts";
import type { ProcessWork } from "../../../executors/executor.ts";
import { OwnServer } from "./own_server.ts";
import { address, Place, sshTest } from "./server.ts";
import { smallDisk } from "../../kit/small_disk.ts";
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

/** How much is sent and read, in bytes. */
const BIG = 100_000_000;

sshTest("sshExecutor() streams a large output, and stops when it is no longer read", async (stack) => {
  const place = new Place(stack);
  const executor = await place.opened(stack);
  await executor.start(attempt, work(`head -c ${BIG} /dev/zero`), { quota: {} });
  await executor.wait(attempt);
  let length = 0;
  for await (const chunk of await executor.logs(attempt)) length += chunk.length;
  assert.equal(length, BIG);
  for (let round = 0; round < 12; round++) {
    const reader = (await executor.logs(attempt)).getReader();
    await reader.read();
    await reader.cancel();
  }
  // A reader that left would hold its channel, and there are only ten.
  assert.deepEqual(await executor.probe(), { healthy: true });
  await executor.forget(attempt);
});

sshTest("sshExecutor() streams a large input, and takes a large script", async (stack) => {
  const place = new Place(stack);
  const executor = await place.opened(stack);
  let left = 300;
  const stdin = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (left-- > 0) controller.enqueue(new Uint8Array(100_000));
      else controller.close();
    },
  });
  const script = `${"# a line that says nothing\n".repeat(20_000)}wc -c`;
  await executor.start(attempt, work(script, { stdin }), { quota: {} });
  assert.equal((await executor.wait(attempt)).state, "finished");
  assert.equal((await new Response(await executor.logs(attempt)).text()).trim(), "30000000");
  await executor.forget(attempt);
  assert.deepEqual(place.leftovers().filter((path) => !path.endsWith("/work")), []);
});

sshTest("sshExecutor() follows more logs than there are channels", async (stack) => {
  const place = new Place(stack);
  const executor = await place.opened(stack);
  const all = Array.from({ length: 14 }, (_, n) => ({ ...attempt, job: `j${n}` }));
  const go = `${place.state}/go`;
  for (const who of all) {
    await executor.start(who, work(`echo 1; until [ -e ${go} ]; do sleep 0.1; done; echo 2`), { quota: {} });
  }
  const streams = await Promise.all(all.map((who) => executor.logs(who, { follow: true })));
  const texts = streams.map((stream) => new Response(stream).text());
  assert.deepEqual(await executor.probe(), { healthy: true });
  Deno.writeTextFileSync(go, "");
  assert.deepEqual(await Promise.all(texts), all.map(() => "1\n2\n"));
  for (const who of all) await executor.forget(who);
});

sshTest("sshExecutor() says that the disk of the host is full, and leaves nothing there", async (stack) => {
  const place = new Place(stack);
  const disk = stack.use(await smallDisk(place.root, "64k"));
  if (disk.options.ignore) return;
  // A server started earlier may not see the mount.
  const server = await OwnServer.start(stack);
  const executor = await place.opened(stack, server.options);
  await assert.rejects(
    executor.start(attempt, work("cat", { environment: { BIG: "x".repeat(200_000) } }), { quota: {} }),
    (error) => {
      assert(isDatataskError(error, "no-space"), String(error));
      assert.match(error.message, /No space left on device; free some space there, or give another root$/);
      return true;
    },
  );
  assert.deepEqual(place.leftovers(), []);
  Deno.writeFileSync(`${place.root}/filler`, new Uint8Array(1000));
  await new Deno.Command("sh", { args: ["-c", `cat /dev/zero >>'${place.root}/filler'`], stderr: "null" })
    .output();
  const { healthy, reason } = await executor.probe();
  assert(!healthy);
  assert.match(reason!, /No space left on device/);
  await assert.rejects(
    executor.start(attempt, work("echo"), { quota: {} }),
    (error) => isDatataskError(error, "no-space"),
  );
  await Deno.remove(`${place.root}/filler`);
  await executor.start(attempt, work("echo"), { quota: {} });
  await executor.wait(attempt);
  await executor.forget(attempt);
}, Deno.uid() !== 0);

/** Runs a program with these permissions and no others. */
async function allowed(flags: readonly string[], place: Place, env: Record<string, string>, options: object) {
  const file = `${place.state}/main.ts`;
  Deno.writeTextFileSync(
    file,
    `import { sshExecutor } from ${
      JSON.stringify(new URL("../../../executors/ssh/mod.ts", import.meta.url).href)
    };
    const executor = sshExecutor(${JSON.stringify({ ...address, root: place.root, ...options })});
    await executor.open({ state: ${JSON.stringify(`${place.state}/state`)} });
    await executor.start(${JSON.stringify(attempt)}, ${JSON.stringify(work("echo allowed"))}, { quota: {} });
    await executor.wait(${JSON.stringify(attempt)});
    console.log(await new Response(await executor.logs(${JSON.stringify(attempt)})).text());
    await executor.forget(${JSON.stringify(attempt)});
    await executor.close();`,
  );
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--no-prompt", ...flags, file],
    env,
  }).output();
  return new TextDecoder().decode(stdout) + (success ? "" : new TextDecoder().decode(stderr));
}

sshTest("sshExecutor() works with the permissions that its page names", async (stack) => {
  const place = new Place(stack);
  const said = await allowed(
    [
      `--allow-net=${address.host}:${address.port}`,
      `--allow-read=${address.identity},${address.knownHosts},${place.state}/state`,
      `--allow-write=${place.state}/state`,
    ],
    place,
    {},
    {},
  );
  assert.equal(said, "allowed\n\n");
});

sshTest("sshExecutor() takes the keys of an agent", async (stack) => {
  const place = new Place(stack);
  const socket = `${place.state}/agent`;
  const agent = new Deno.Command("ssh-agent", { args: ["-D", "-a", socket], stdout: "null" }).spawn();
  stack.defer(async () => {
    agent.kill();
    await agent.status;
  });
  const env = { SSH_AUTH_SOCK: socket };
  await until(
    "the agent has the key",
    async () =>
      (await new Deno.Command("ssh-add", { args: ["-q", address.identity], env, stderr: "null" }).output())
        .success,
  );
  const said = await allowed(
    [
      `--allow-net=${address.host}:${address.port},unix:${socket}`,
      `--allow-read=${address.knownHosts},${place.state}/state,${socket}`,
      `--allow-write=${place.state}/state,${socket}`,
      "--allow-env=SSH_AUTH_SOCK",
    ],
    place,
    env,
    { identity: "agent" },
  );
  assert.equal(said, "allowed\n\n");
});
