import assert from "node:assert/strict";
import {
  containerTask,
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  Pipeline,
  sh,
} from "../../../mod.ts";
import { dockerExecutor, type DockerExecutorOptions } from "../../../executors/docker/mod.ts";
import type { AgentServer } from "../../../executors/executor.ts";
import type { AgentOptions } from "../../../tasks/agent_options.ts";
import { lookup, outputs } from "../../../tasks/many.ts";
import { runAll } from "../../pipeline/kit.ts";
import { docker, freshState, image, socket } from "./kit.ts";

/** A job that copies a text in a container which sees nothing of this machine, and what it ends with. */
async function one(
  agent: AgentOptions,
  network: string | undefined,
  options: DockerExecutorOptions = {},
) {
  await using stack = new AsyncDisposableStack();
  const state = freshState(stack);
  const texts = new MemoryBlobRepository("texts");
  const copies = new MemoryBlobRepository("copies");
  await texts.put("emma", "Emma Woodhouse");
  const task = containerTask("copy", {
    done: new MemoryMetadataRepository("done"),
    links: { texts: input(texts), copies: output(copies) },
    executor: dockerExecutor({ socket, sharesFiles: false, ...options }),
    image,
    ...(network !== undefined && { network }),
    script: ({ texts, copies }) => sh`[ ${texts} = /datatask/in/texts ] && cat ${texts} >${copies}`,
  });
  const { events } = await runAll(new Pipeline({ tasks: [task], state, agent }));
  const outcome = events.flatMap((event) => event.type === "finished" ? [event.outcome] : []).at(-1)!;
  return { outcome, copy: await copies.has("emma") ? await copies.text("emma") : undefined };
}

Deno.test({
  ...docker.test,
  name: "a container on the network of this machine reaches an agent that listens here only",
  async fn() {
    const { outcome, copy } = await one({}, "host");
    assert.deepEqual([outcome.reason, copy], ["succeeded", "Emma Woodhouse"], outcome.error?.message);
  },
});

Deno.test({
  ...docker.test,
  name: "a container that cannot reach the agent is told of, with what to do",
  async fn() {
    const near = await one({}, undefined);
    assert.equal(near.outcome.reason, "failed");
    assert.equal(
      near.outcome.error?.message,
      'Cannot bring values to containers of docker: the agent listens at 127.0.0.1, which leads a container to itself; give the pipeline { agent: { hostname: "0.0.0.0" } }, and the executor { agentAddress } where that is not enough, or the task the network "host"',
    );
    const none = await one({ hostname: "0.0.0.0" }, "none");
    assert.equal(
      none.outcome.error?.message,
      'Cannot bring values to containers of docker: the container has no network; give the task another one than "none"',
    );
  },
});

Deno.test({
  ...docker.test,
  name: "a container of another user, and one that shares files, gets and publishes values through the agent",
  async fn() {
    await using stack = new AsyncDisposableStack();
    const state = freshState(stack);
    const texts = new MemoryBlobRepository("texts");
    await texts.put("emma", "Emma Woodhouse");
    const made = ["far", "near"].map((name) => {
      const [out, pages] = [
        new MemoryBlobRepository(`${name}-out`),
        new MemoryBlobRepository(`${name}-pages`),
      ];
      const task = containerTask(name, {
        done: new MemoryMetadataRepository(`${name}-done`),
        links: { texts: input(texts), any: lookup(texts), out: output(out), pages: outputs(pages) },
        executor: dockerExecutor({ socket, name, sharesFiles: name === "near" }),
        image,
        user: "1234:1234",
        script: ({ texts, any, out, pages }) =>
          sh`set -eu; id -u >${out}; cat ${texts} >>${out}; ${any} emma >>${out}; echo page >${pages}/one`,
      });
      return { task, out, pages };
    });
    const tasks = made.map(({ task }) => task);
    const pipeline = new Pipeline({ tasks, state, agent: { hostname: "0.0.0.0" } });
    const { summary, events } = await runAll(pipeline);
    assert.equal(summary.succeeded, 2, JSON.stringify(events));
    for (const { out, pages } of made) {
      assert.equal(await out.text("emma"), "1234\nEmma WoodhouseEmma Woodhouse");
      assert.equal((await Array.fromAsync(pages)).length, 1);
    }
  },
});

Deno.test("dockerExecutor() tells containers where the agent is", async () => {
  const address = (
    options: DockerExecutorOptions,
    server: Partial<AgentServer>,
    network?: string,
  ): Promise<string> =>
    dockerExecutor({ host: "tcp://engine.example:2375", ...options }).reach!.address(
      { hostname: "0.0.0.0", port: 8700, ...server },
      { network },
    );
  assert.equal(
    await address({ agentAddress: "host.docker.internal" }, {}),
    "http://host.docker.internal:8700",
  );
  assert.equal(
    await address({ agentAddress: "gate" }, { url: "https://127.0.0.1:8700" }),
    "https://gate:8700",
  );
  assert.equal(await address({ agentAddress: "http://10.0.0.5:80/x/" }, {}), "http://10.0.0.5:80/x");
  assert.equal(await address({}, { url: "https://gate.example/x" }), "https://gate.example/x");
  assert.equal(await address({}, { hostname: "10.0.0.5" }), "http://10.0.0.5:8700");
  await assert.rejects(address({}, {}), {
    message:
      'Cannot bring values to containers of docker: which address of this machine they reach is not known; give the pipeline { agent: { hostname: "0.0.0.0" } }, and the executor { agentAddress }, an address of this machine that the engine\'s containers reach',
  });
});
