/** The flags of docs/kubernetes.md are enough to run a pod. */
import assert from "node:assert/strict";
import { clusterTest, config } from "./cluster.ts";
import { freshState, optionsOf, work } from "./kit.ts";

clusterTest("kubernetesExecutor() needs no more than the flags in docs/kubernetes.md", async (place) => {
  const state = freshState(place.stack);
  const module = new URL("../../../executors/kubernetes/mod.ts", import.meta.url).href;
  await Deno.writeTextFile(
    `${state}/pipeline.ts`,
    `import { kubernetesExecutor } from ${JSON.stringify(module)};
const executor = kubernetesExecutor(${JSON.stringify(optionsOf(place))});
const attempt = { task: "t", job: "one", replica: 0, attempt: 1 };
await executor.open({ state: ${JSON.stringify(state)} });
await executor.start(attempt, ${JSON.stringify(work("echo up; exec sleep 600"))}, { quota: {} });
for await (const _ of await executor.logs(attempt, { follow: true })) break;
await executor.stop(attempt, { graceMs: 20_000 });
console.log((await executor.wait(attempt)).signal);
await executor.forget(attempt);
await executor.close();
`,
  );
  const { host, port } = new URL(place.cluster.server);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-check", "--no-prompt", `--allow-read=${state},${config}`, `--allow-write=${state}`],
      ...[`--allow-net=${port === "" ? `${host}:443` : host}`, `${state}/pipeline.ts`],
    ],
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(new TextDecoder().decode(stdout), "SIGTERM\n", new TextDecoder().decode(stderr));
});
