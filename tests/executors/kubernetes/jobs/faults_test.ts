/** Runs that are Jobs, while parts of the cluster are away. */
import assert from "node:assert/strict";
import { fault, faultTest } from "../cluster.ts";
import { loseNode, opened, waiting, work } from "../kit.ts";
import { attempt, cleared, jobs, pods, runs, said, theJob, thePod } from "./kit.ts";

faultTest('kubernetesExecutor({ as: "job" }) outlives an apiserver that is killed', async (place) => {
  const { executor } = await opened(place, { as: "job" });
  const [second, third] = [{ ...attempt, job: "two" }, { ...attempt, job: "three" }];
  const long = "echo up; for i in $(seq 100); do sleep 0.1; done; echo end; exit 6";
  await executor.start(attempt, work(long), { quota: {} });
  await executor.start(third, work("exit 0"), { quota: {} });
  const log = (await executor.logs(attempt, { follow: true })).getReader();
  assert.equal(new TextDecoder().decode((await log.read()).value), "up\n");
  const waits = [attempt, third].map((each) => executor.wait(each));
  await fault("restart-apiserver", "-KILL");
  await executor.start(second, work("exit 5"), { quota: {} });
  const ended = await Promise.all([...waits, executor.wait(second)]);
  assert.deepEqual(ended.map((status) => status.state === "finished" && status.exitCode), [6, 0, 5]);
  let rest = "";
  for (let next = await log.read(); !next.done; next = await log.read()) {
    rest += new TextDecoder().decode(next.value);
  }
  assert.equal(rest, "end\n", "a log that is followed goes on where it was");
  for (const each of [attempt, second, third]) await executor.forget(each);
  await cleared(place);
});

faultTest(
  'kubernetesExecutor({ as: "job" }) tells a node that is lost, and makes no second pod',
  async (place) => {
    const { cluster } = place;
    const { executor } = await opened(place, { as: "job" });
    await executor.start(attempt, work("echo up; sleep 600"), { quota: {} });
    const pod = await thePod(place, runs);
    await loseNode(place);
    const status = await executor.wait(attempt);
    assert(status.state === "finished" && status.infrastructure, JSON.stringify(status));
    assert.match(status.reason!, /its node was lost/);
    const left = (await cluster.list(pods(place))).map(({ metadata }) => `${pods(place)}/${metadata.name}`);
    assert.deepEqual(left.filter((other) => other !== pod), []);
    await executor.forget(attempt);
    assert.deepEqual(await Array.fromAsync(executor.list()), []);
    await cleared(place);
  },
);

faultTest('kubernetesExecutor({ as: "job" }) ends a pod that a Job makes too late', async (place) => {
  const { cluster, stack } = place;
  const { executor } = await opened(place, { as: "job" });
  stack.defer(() => fault("start", "controllers"));
  // Nobody makes the pods of Jobs now, and nobody else removes them.
  await fault("stop", "controllers");
  await executor.start(attempt, work("echo hello"), { quota: {} });
  await waiting(executor, /^its Job has no pod yet$/);
  assert.equal(await said(executor), "");
  const { metadata: { name, uid }, spec } = await cluster.call("GET", await theJob(place));
  await executor.stop(attempt, { graceMs: 20_000 });
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.signal === "SIGKILL", JSON.stringify(status));
  await executor.forget(attempt);
  assert.deepEqual(await cluster.list(jobs(place)), []);
  const ownerReferences = [{ apiVersion: "batch/v1", kind: "Job", controller: true, name, uid }];
  const { labels, annotations } = spec.template.metadata;
  await cluster.call("POST", pods(place), {
    metadata: { name: `${name}-late`, labels, annotations, ownerReferences },
    spec: spec.template.spec,
  });
  await cluster.until(pods(place), ({ items }) => items.length === 0);
  assert.deepEqual(await Array.fromAsync(executor.list()), []);
});
