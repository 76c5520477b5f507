/** Pipelines whose runs are Jobs: values that travel, bodies of functions, and runs on every node, which are no Jobs. */
import assert from "node:assert/strict";
import { kubernetesExecutor } from "../../../../executors/kubernetes/mod.ts";
import {
  containerTask,
  functionTask,
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  moduleBody,
  output,
  Pipeline,
  sh,
} from "../../../../mod.ts";
import { blobs, runAll } from "../../../pipeline/kit.ts";
import { textLinks } from "../../../tasks/bodies/links.ts";
import { clusterTest, denoImage, hostAddress, image } from "../cluster.ts";
import { freshState, opened, optionsOf, work } from "../kit.ts";
import { attempt, cleared, jobs } from "./kit.ts";

clusterTest("Jobs carry scripts and bodies, whose values travel through the agent", async (place) => {
  const executor = kubernetesExecutor({ ...optionsOf(place), as: "job" });
  const [texts, copies, echoes] = ["texts", "copies", "echoes"].map((name) => new MemoryBlobRepository(name));
  for (const key of ["emma", "walden"]) await texts!.put(key, `echo ${key}`);
  const done = new MemoryMetadataRepository("done");
  const common = { executor, image: denoImage, quota: { cpu: 0 } };
  const copy = containerTask("copy", {
    ...common,
    done,
    links: { texts: input(texts!), copies: output(copies!) },
    script: ({ texts, copies }) => sh`cat ${texts} >${copies}`,
  });
  const echo = functionTask(
    "echo",
    { ...common, done: new MemoryMetadataRepository("echoed"), links: textLinks(copies!, echoes!) },
    moduleBody<typeof import("../../../tasks/bodies/acts.ts")>(
      import.meta.resolve("../../../tasks/bodies/acts.ts"),
    ),
  );
  const agent = { hostname: hostAddress };
  const pipeline = new Pipeline({ tasks: [copy, echo], state: freshState(place.stack), agent });
  const { summary, events } = await runAll(pipeline);
  assert.equal(summary.succeeded, 4, JSON.stringify(events));
  for (const key of ["emma", "walden"]) assert.equal(await echoes!.text(key), key);
  await cleared(place);
});

clusterTest("a Job whose pod is removed is made anew, and uses up no attempt", async (place) => {
  const { cluster, namespace } = place;
  const task = containerTask("wait", {
    done: new MemoryMetadataRepository("done"),
    quota: { cpu: 0 },
    links: { texts: input(await blobs("texts", "emma"), { as: "key" }) },
    executor: kubernetesExecutor({ ...optionsOf(place), as: "job" }),
    image,
    mounts: [{ source: "/dev/shm", target: "/shared" }],
    retry: { attempts: 1 },
    script: `f=/shared/${namespace}; if [ -e $f ]; then rm $f; else touch $f; exec sleep 600; fi`,
  });
  const running = runAll(new Pipeline({ tasks: [task], state: freshState(place.stack) }));
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  await cluster.until(pods, ({ items }) => items[0]?.status.phase === "Running");
  const [pod] = await cluster.list(pods);
  await cluster.text("DELETE", `${pods}/${pod!.metadata.name}?gracePeriodSeconds=1`);
  const { summary, events } = await running;
  assert.equal(summary.succeeded, 1, JSON.stringify(events));
  assert.equal((await task.outcomes.done.get("emma")).reason, "succeeded");
  await cleared(place);
});

clusterTest("runs on every node are daemon sets where others are Jobs", async (place) => {
  const { executor } = await opened(place, { as: "job" });
  const manifest = { spec: { containers: [{ name: "main", image }] } };
  const everywhere = { ...work("exec sleep 600"), kind: "pod" as const, manifest, everywhere: true };
  await executor.start(attempt, everywhere, { quota: {} });
  const [found] = await Array.fromAsync(executor.list());
  assert.match(found!.where, /^daemon set /);
  assert.deepEqual(await place.cluster.list(jobs(place)), []);
  await executor.stop(attempt, { graceMs: 1000 });
  await executor.forget(attempt);
  await cleared(place);
});
