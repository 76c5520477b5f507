/** Closing an executor while its cluster is away. */
import assert from "node:assert/strict";
import { fault, faultTest } from "./cluster.ts";
import { opened, work } from "./kit.ts";

const attempt = { task: "t", job: "one", replica: 0, attempt: 1 };

faultTest(
  "kubernetesExecutor() closes while the apiserver is away, and all that waits ends",
  async (place) => {
    const { executor, state } = await opened(place);
    await executor.start(attempt, work("echo up; exec sleep 600"), { quota: {} });
    const log = (await executor.logs(attempt, { follow: true })).getReader();
    assert.equal(new TextDecoder().decode((await log.read()).value), "up\n");
    const waits = executor.wait(attempt).then(() => undefined, (error: Error) => error);
    await fault("stop", "apiserver", "-KILL");
    try {
      const stops = executor.stop(attempt, { graceMs: 1000 }).then(() => undefined, (error: Error) => error);
      const second = executor.start({ ...attempt, job: "two" }, work(":"), { quota: {} })
        .then(() => undefined, (error: Error) => error);
      const reads = log.read().then(() => undefined, (error: Error) => error);
      await executor.close();
      for (const [what, ended] of Object.entries({ waits, stops, second, reads })) {
        const error = await ended;
        assert.match(error?.message ?? "", /The executor was closed/, what);
      }
    } finally {
      await fault("start", "apiserver");
    }
    await executor.open({ state });
    await executor.stop(attempt, { graceMs: 1000 });
    await executor.forget(attempt);
    assert.deepEqual(await Array.fromAsync(executor.list()), []);
  },
);

faultTest(
  "the apiserver of the tests is restarted when nothing was written since the last time",
  async ({ cluster, namespace }) => {
    await fault("stop", "apiserver", "-KILL");
    await fault("compact");
    await fault("restart-apiserver");
    await cluster.until(`/api/v1/namespaces/${namespace}`, () => true);
  },
);
