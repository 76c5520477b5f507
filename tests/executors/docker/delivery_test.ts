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
import { freePort } from "../../kit/own_process.ts";
import { jobsOf, runAll, troubles } from "../../pipeline/kit.ts";
import { api, docker, freshState, image, socket } from "./kit.ts";

/** A job that copies a text in a container which sees nothing of this machine, and what it ends with. */
async function one(
  agent: AgentOptions,
  network: string | undefined,
  options: DockerExecutorOptions = {},
  more: { readonly patience?: string } = {},
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
    ...more,
    retry: { attempts: 2, delay: 1 },
    script: ({ texts, copies }) => sh`[ ${texts} = /datatask/in/texts ] && cat ${texts} >${copies}`,
  });
  const pipeline = new Pipeline({ tasks: [task], state, agent, random: () => 1 });
  const { events, summary } = await runAll(pipeline);
  const copy = await copies.has("emma") ? await copies.text("emma") : undefined;
  return { summary, retried: jobsOf(events, "retrying"), told: troubles(events), copy };
}

Deno.test({
  ...docker.test,
  name: "a container on the network of this machine reaches an agent that listens here only",
  async fn() {
    const { summary, told, copy } = await one({}, "host");
    assert.deepEqual([summary.succeeded, copy], [1, "Emma Woodhouse"], told.join());
  },
});

Deno.test({
  ...docker.test,
  name: "a container that cannot reach the agent is told of, with what to do",
  async fn() {
    const near = await one({}, undefined);
    const none = await one({ hostname: "0.0.0.0" }, "none");
    for (const { summary, retried, told } of [near, none]) {
      assert.deepEqual([summary.failed, summary.stuck, retried, told.length], [0, 1, [], 6], told.join());
    }
    const left =
      'Cannot run job "emma" of task copy; this is not counted as an attempt, and it is left for the next run: Cannot bring values to containers of docker: ';
    assert.equal(
      near.told.at(-1),
      `${left}the agent listens at 127.0.0.1, which leads a container to itself; give the pipeline { agent: { hostname: "0.0.0.0" } }, and the executor { agentAddress } where that is not enough, or the task the network "host"`,
    );
    assert.equal(
      none.told.at(-1),
      `${left}the container has no network; give the task another one than "none"`,
    );
  },
});

Deno.test({
  ...docker.test,
  name:
    "an address that does not lead containers to the agent uses up no attempt, and is told of, with what to do",
  async fn() {
    const port = freePort();
    const other = Deno.serve(
      { hostname: "0.0.0.0", port: 0, onListen() {} },
      () => new Response("This is another server.\n", { status: 404 }),
    );
    const { IPAM: { Config: [network] } } = await api<{ IPAM: { Config: { Gateway: string }[] } }>(
      "GET",
      "/networks/bridge",
    );
    const refuses = async (agentAddress: string, why: string): Promise<void> => {
      const agent = { hostname: "0.0.0.0" };
      const { summary, retried, told } = await one(agent, undefined, { agentAddress }, { patience: "1s" });
      assert.deepEqual([summary.failed, summary.stuck, retried, told.length], [0, 1, [], 6], told.join());
      assert.match(told.at(-1)!, /left for the next run: Cannot deliver the values of copy\/emma: /);
      const says =
        `cannot bring input texts: the agent does not answer at ${agentAddress}: ${why}, for \\d+ seconds; see that this address leads to it from here$`;
      assert.match(told.at(-1)!, new RegExp(says));
    };
    await Promise.all([
      refuses(`http://${network!.Gateway}:${port}`, ".*"),
      refuses(
        `http://${network!.Gateway}:${other.addr.port}`,
        "another server does \\(404\\)",
      ),
    ]);
    await other.shutdown();
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
