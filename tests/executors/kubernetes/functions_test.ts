/** Bodies of function tasks in pods: the same module, its links brought and handed over, and no more permissions than they imply. */
import assert from "node:assert/strict";
import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";
import {
  functionTask,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  moduleBody,
  Pipeline,
} from "../../../mod.ts";
import { textLinks } from "../../tasks/bodies/links.ts";
import { clusterTest, denoImage, hostAddress } from "./cluster.ts";
import { freshState, optionsOf } from "./kit.ts";

clusterTest("a body of a module runs in a pod of an image that has Deno", async (place) => {
  const [from, to] = [new MemoryBlobRepository("from"), new MemoryBlobRepository("to")];
  const acts = ["echo hello", "read /etc/passwd", "throw bad luck"];
  for (const [at, act] of acts.entries()) await from.put(`job-${at}`, act);
  const task = functionTask(
    "acts",
    {
      done: new MemoryMetadataRepository("done"),
      links: textLinks(from, to),
      executor: kubernetesExecutor(optionsOf(place)),
      image: denoImage,
      quota: { cpu: "100m", memory: "300Mi" },
    },
    moduleBody<typeof import("../../tasks/bodies/acts.ts")>(
      import.meta.resolve("../../tasks/bodies/acts.ts"),
    ),
  );
  const state = freshState(place.stack);
  await using pipeline = new Pipeline({ tasks: [task], state, agent: { hostname: hostAddress } });
  await pipeline.run().finished;
  const outcomes = await Promise.all(acts.map((_, at) => task.outcomes.done.get(`job-${at}`)));
  assert.deepEqual(outcomes.map(({ error, reason }) => error?.message ?? reason), [
    "succeeded",
    'NotCapable: Requires read access to "/etc/passwd"; to allow it, add permissions: { read: ["/etc/passwd"] } to task acts',
    "RangeError: bad luck",
  ]);
  assert.equal(await to.text("job-0"), "hello");
});

clusterTest("modules may be larger than what a pod can be told: its worker fetches them", async (place) => {
  const folder = Deno.makeTempDirSync();
  place.stack.defer(() => Deno.removeSync(folder, { recursive: true }));
  Deno.writeTextFileSync(`${folder}/large.ts`, `export const text = "${"x".repeat(5 << 20)}";`);
  Deno.writeTextFileSync(
    `${folder}/body.ts`,
    'import { text } from "./large.ts"; export default ({ to }) => to.write(String(text.length));',
  );
  const [from, to] = [new MemoryBlobRepository("from"), new MemoryBlobRepository("to")];
  await from.put("a", "");
  const task = functionTask("large", {
    done: new MemoryMetadataRepository("done"),
    links: textLinks(from, to),
    executor: kubernetesExecutor(optionsOf(place)),
    image: denoImage,
  }, moduleBody<{ default(context: unknown): void }>(`file://${folder}/body.ts`));
  const state = freshState(place.stack);
  await using pipeline = new Pipeline({ tasks: [task], state, agent: { hostname: hostAddress } });
  await pipeline.run().finished;
  const { reason, error } = await task.outcomes.done.get("a");
  assert.equal(reason, "succeeded", error?.message);
  assert.equal(await to.text("a"), String(5 << 20));
});
