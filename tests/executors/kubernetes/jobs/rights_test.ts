/** The role that is needed for Jobs, as the documentation has it. */
import assert from "node:assert/strict";
import { kubernetesExecutor } from "../../../../executors/kubernetes/mod.ts";
import { refuses } from "../../../kit/refuses.ts";
import { clusterTest, image, type Place } from "../cluster.ts";
import { documentedJobsRule, documentedRole } from "../documented.ts";
import { freshState, opened, optionsOf, work } from "../kit.ts";
import { attempt, change, cleared, theJob } from "./kit.ts";

type Rules = ReturnType<typeof documentedRole>;

/** The rules of docs/kubernetes.md for Jobs: one more, and pods are not to be created. */
function documented(): Rules {
  const least = documentedRole().map((rule) =>
    rule.resources!.includes("pods")
      ? { ...rule, verbs: rule.verbs!.filter((verb) => verb !== "create") }
      : rule
  );
  return [documentedJobsRule(), ...least];
}

async function account(place: Place, rules: Rules): Promise<string> {
  const path = await Deno.makeTempFile();
  place.stack.defer(() => Deno.remove(path));
  await Deno.writeTextFile(path, await place.cluster.account(place.namespace, rules));
  return path;
}

clusterTest(
  'kubernetesExecutor({ as: "job" }) needs no more than the role in docs/kubernetes.md',
  async (place) => {
    const rules = documented();
    assert.equal(rules.length, 5);
    const options = { as: "job", kubeconfig: await account(place, rules) } as const;
    const { executor, state } = await opened(place, options);
    assert.deepEqual(await executor.probe(), { healthy: true });
    await executor.start(attempt, work("exit 3"), { quota: {} });
    const status = await executor.wait(attempt);
    assert(status.state === "finished" && status.exitCode === 3, JSON.stringify(status));
    await executor.forget(attempt);
    await executor.start(attempt, work("echo up; exec sleep 60"), { quota: {} });
    for await (const _ of await executor.logs(attempt, { follow: true })) break;
    await executor.stop(attempt, { graceMs: 20_000 });
    const stopped = await executor.wait(attempt);
    assert(stopped.state === "finished" && stopped.signal === "SIGTERM", JSON.stringify(stopped));
    await executor.forget(attempt);
    // Whether a Secret is there is seen without reading any.
    await executor.start(attempt, work("exit 0"), { quota: {} });
    await change(place, await theJob(place), { metadata: { annotations: { "datatask.unsure": "true" } } });
    await executor.close();
    await executor.open({ state });
    const again = await executor.wait(attempt);
    assert(again.state === "finished" && again.exitCode === 0, JSON.stringify(again));
    await executor.forget(attempt);
    const manifest = { spec: { containers: [{ name: "main", image }] } };
    await refuses(
      executor.start(attempt, { ...work(":"), kind: "pod", manifest, everywhere: true }, { quota: {} }),
      "denied",
      /cannot create resource "pods".*docs\/kubernetes\.md/,
    );
    const [job, ...others] = rules;
    for (const verb of job!.verbs!) {
      const less = [{ ...job!, verbs: job!.verbs!.filter((each) => each !== verb) }, ...others];
      const poor = kubernetesExecutor({
        ...optionsOf(place),
        ...options,
        kubeconfig: await account(place, less),
      });
      await refuses(
        poor.open({ state: freshState(place.stack) }),
        "denied",
        new RegExp(`may not ${verb} jobs in the namespace .*docs/kubernetes.md`),
      );
    }
    await cleared(place);
  },
);
