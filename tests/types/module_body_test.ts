/** What the compiler refuses of bodies that are named by their module. */
import assert from "node:assert/strict";
import { dockerExecutor } from "../../executors/docker/mod.ts";
import {
  type Executor,
  functionTask,
  input,
  localExecutor,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  moduleBody,
  output,
  type Work,
  workerPool,
} from "../../mod.ts";

const blobs = new MemoryBlobRepository("blobs");
const documents = new MemoryMetadataRepository<number>("documents");
const done = new MemoryMetadataRepository("done");
const address = import.meta.resolve("../tasks/bodies/acts.ts");

Deno.test("A body in a module fits the links of its task, or does not compile", () => {
  const acts = moduleBody<typeof import("../tasks/bodies/acts.ts")>(address);
  const executor = workerPool();
  const fits = functionTask("fits", { done, links: { from: input(blobs), to: output(blobs) } }, acts);
  const more = functionTask(
    "more",
    { done, links: { from: input(blobs), to: output(blobs), other: input(documents) }, executor },
    acts,
  );
  // @ts-expect-error a link is missing
  functionTask("missing", { done, links: { from: input(blobs) }, executor }, acts);
  // @ts-expect-error a link leads to another kind of repository
  functionTask("kind", { done, links: { from: input(documents), to: output(blobs) }, executor }, acts);
  // @ts-expect-error a link goes the wrong way
  functionTask("way", { done, links: { from: input(blobs), to: input(blobs) }, executor }, acts);
  // @ts-expect-error the module exports no default
  moduleBody<typeof import("../tasks/bodies/lazy.ts")>(address);
  // @ts-expect-error a closure cannot run elsewhere
  functionTask("closure", { done, links: { from: input(blobs) }, executor }, async ({ from }) => {
    await from.text();
  });
  const options = { done, links: { from: input(blobs) }, executor };
  // @ts-expect-error nor when the options were made before
  functionTask("closure", options, () => {});
  // @ts-expect-error a closure may do what this process may
  functionTask("closure", { done, links: { from: input(blobs) }, permissions: { net: true } }, () => {});
  const links = { from: input(blobs), to: output(blobs) };
  const local = functionTask("local", { done, links, executor: localExecutor() }, acts);
  const containers = dockerExecutor({ socket: "/nowhere" });
  const contained = functionTask("contained", { done, links, executor: containers, image: "deno:2" }, acts);
  assert.throws(
    // @ts-expect-error containers need an image
    () => functionTask("contained", { done, links, executor: containers }, acts),
    /takes no processes/,
  );
  assert.throws(
    // @ts-expect-error an image needs an executor of containers
    () => functionTask("local", { done, links, executor: localExecutor(), image: "deno:2" }, acts),
    /takes no containers/,
  );
  const pods = { name: "pods", accepts: new Set(["pod"]) } as unknown as Executor<
    Work & { readonly kind: "pod" }
  >;
  // @ts-expect-error an executor of something else
  assert.throws(() => functionTask("pods", { done, links, executor: pods }, acts), /takes no processes/);
  assert.deepEqual([local.kind, contained.kind], ["function", "function"]);
  assert.deepEqual([fits.runner.pool.name, more.runner.pool.name], ["in-process", "workers"]);
});
