/** Nodes pull images from a real registry of this machine that wants a login. */
import assert from "node:assert/strict";
import type { PullPolicy } from "../../../executors/container_work.ts";
import { needs } from "../../../testing/needs.ts";
import { programs } from "../docker/own_engine.ts";
import { privateRegistry } from "../private_registry.ts";
import { clusterTest } from "./cluster.ts";
import { opened, work } from "./kit.ts";

const attempt = { task: "t", job: "one", replica: 0, attempt: 1 };

// A node of another machine does not see the registry of this one.
const near = needs("kubernetes-faults").available && programs.available &&
  needs("registry-program").available;

if (near) {
  clusterTest("pods pull their image from a registry that wants a login", async (place) => {
    const { cluster, namespace, stack } = place;
    const registry = await privateRegistry(stack);
    await registry.push("1", "one");
    for (const [name, config] of [["right", registry.login()], ["wrong", registry.login("wrong")]] as const) {
      await cluster.call("POST", `/api/v1/namespaces/${namespace}/secrets`, {
        metadata: { name },
        type: "kubernetes.io/dockerconfigjson",
        stringData: { ".dockerconfigjson": config },
      });
    }
    const said = async (
      tag: string,
      secret: "right" | "wrong" | undefined,
      pull?: PullPolicy,
    ): Promise<string> => {
      const { executor } = await opened(place, secret ? { imagePullSecrets: [secret] } : {});
      const image = `${registry.name}:${tag}`;
      await executor.start(attempt, work("cat /version", { image, ...(pull && { pull }) }), { quota: {} });
      const status = await executor.wait(attempt);
      const log = await new Response(await executor.logs(attempt)).text();
      await executor.forget(attempt);
      assert(status.state === "finished" && status.infrastructure !== true, JSON.stringify(status));
      return status.exitCode === 0 ? log : status.reason ?? JSON.stringify(status);
    };
    const denied =
      /^the image 127\S+:1 may not be pulled \(.*\); check the name, or give the executor imagePullSecrets$/;
    assert.match(await said("1", undefined), denied);
    assert.match(await said("1", "wrong"), denied);
    assert.match(
      await said("1", "right", "never"),
      /^the node does not have the image 127\S+:1, and it is never/,
    );
    assert.match(
      await said("2", "right"),
      /^the image 127\S+:2 does not exist \(.*\); check its name and tag$/,
    );
    assert.equal(await said("1", "right"), "one\n");
    await registry.push("1", "two");
    assert.equal(await said("1", "right"), "one\n");
    assert.equal(await said("1", "right", "always"), "two\n");
  });
}
