/** Jobs that a queue holds back, and rules of a namespace. */
import assert from "node:assert/strict";
import { refuses } from "../../../kit/refuses.ts";
import { ApiFault } from "../cluster.ts";
import { opened, things, waiting, work } from "../kit.ts";
import {
  assertLost,
  attempt,
  change,
  cleared,
  jobs,
  jobTest,
  pods,
  rule,
  runs,
  said,
  theJob,
  thePod,
} from "./kit.ts";

jobTest("waits while a queue holds a Job back, and begins when it lets it go", async (place) => {
  const { executor, state } = place;
  const expression = "Object{ spec: Object.spec{ suspend: true } }";
  await rule(
    place,
    "Mutating",
    {
      failurePolicy: "Fail",
      reinvocationPolicy: "Never",
      mutations: [{ patchType: "ApplyConfiguration", applyConfiguration: { expression } }],
    },
    (answer) => !(answer instanceof ApiFault) && answer.spec.suspend === true,
  );
  await executor.start(attempt, work("echo hello; exit 3"), { quota: {} });
  await waiting(executor, /^its Job is suspended: it begins when whoever holds it back/);
  assert.equal(await said(executor), "");
  // So it is for a coordinator that comes later.
  await executor.close();
  await executor.open({ state });
  await waiting(executor, /^its Job is suspended/);
  const waits = executor.wait(attempt);
  const log = executor.logs(attempt, { follow: true });
  await change(place, await theJob(place), { spec: { suspend: false } });
  const status = await waits;
  assert(status.state === "finished" && status.exitCode === 3, JSON.stringify(status));
  assert.equal(await new Response(await log).text(), "hello\n");
  await executor.forget(attempt);
  // One that never gets its turn is stopped as any other.
  await executor.start(attempt, work("exit 3"), { quota: {} });
  await executor.stop(attempt, { graceMs: 20_000 });
  const stopped = await executor.wait(attempt);
  assert(
    stopped.state === "finished" && /stopped before it began/.test(stopped.reason!),
    JSON.stringify(stopped),
  );
  await executor.forget(attempt);
  await cleared(place);
});

jobTest("loses what is suspended while it runs, so that it gets in line anew", async (place) => {
  const { executor, cluster } = place;
  const manifest = {
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: "main", image: work("").image }] },
  };
  await executor.start(attempt, { ...work("sleep 600"), kind: "pod", manifest }, { quota: {} });
  await thePod(place, runs);
  const waits = executor.wait(attempt);
  await change(place, await theJob(place), { spec: { suspend: true } });
  assertLost(await waits, /^its Job was suspended while it ran$/);
  // Whoever resumes it meanwhile resumes nothing that counts.
  await executor.forget(attempt);
  await cleared(place);
  assert.deepEqual(await cluster.list(jobs(place)), []);
});

jobTest("begins once when it was suspended before it began", async (place) => {
  const { cluster } = place;
  const { executor } = await opened(place, { as: "job", nodeSelector: { "datatask-test": "no-such-node" } });
  await executor.start(attempt, work("echo hello"), { quota: {} });
  await waiting(executor, /^no node takes it/);
  const job = await theJob(place);
  await change(place, job, { spec: { suspend: true } });
  await waiting(executor, /^its Job is suspended/);
  await cluster.until(pods(place), ({ items }) => items.length === 0);
  await change(place, job, { spec: { suspend: false, template: { spec: { nodeSelector: null } } } });
  const status = await executor.wait(attempt);
  assert(status.state === "finished" && status.exitCode === 0, JSON.stringify(status));
  assert.equal(await said(executor), "hello\n");
  await executor.forget(attempt);
  await cleared(place);
});

jobTest("starts Jobs that a rule refuses as the task's fault, with its words", async (place) => {
  const { executor } = place;
  await rule(
    place,
    "Validating",
    { validations: [{ expression: "false", message: "no Jobs on Sundays" }] },
    (answer) => answer instanceof ApiFault,
  );
  await refuses(
    executor.start(attempt, work(":"), { quota: {} }),
    "cannot-start",
    /^Cannot start t\/one on kubernetes: .*denied request: no Jobs on Sundays; correct the task or the options/,
  );
  assert.deepEqual(await things(place), []);
});

jobTest("is tried again later when Jobs of the namespace are used up", async (place) => {
  const { executor, cluster, namespace } = place;
  const quotas = `/api/v1/namespaces/${namespace}/resourcequotas`;
  const hard = { "count/jobs.batch": "0" };
  await cluster.call("POST", quotas, { metadata: { name: "none" }, spec: { hard } });
  await cluster.until(`${quotas}/none`, ({ status }) => status?.hard !== undefined);
  await refuses(executor.start(attempt, work(":"), { quota: {} }), "unavailable", /exceeded quota: none/);
  assert.deepEqual(await things(place), []);
});

jobTest("says why a Job has no pod", async (place) => {
  const { executor, cluster, namespace } = place;
  await change(place, `/api/v1/namespaces/${namespace}`, {
    metadata: { labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
  });
  await executor.start(attempt, work(":"), { quota: {} });
  await waiting(executor, /^its Job has no pod yet: FailedCreate: .*violates PodSecurity/);
  await executor.stop(attempt, { graceMs: 0 });
  await executor.forget(attempt);
  await cleared(place);
  assert.deepEqual(await cluster.list(jobs(place)), []);
});
