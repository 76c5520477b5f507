/** Values that travel to pods and back, through the agent of the pipeline. */
import assert from "node:assert/strict";
import {
  containerTask,
  input,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  output,
  Pipeline,
  type PipelineEvent,
  sh,
} from "../../../mod.ts";
import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";
import { clusterTest, denoImage, hostAddress, image } from "./cluster.ts";
import { asTwoProcesses, freshState, optionsOf, things } from "./kit.ts";
import type { AgentOptions } from "../../../tasks/agent_options.ts";
import { freePort } from "../../kit/own_process.ts";
import { blobs, runAll, troubles } from "../../pipeline/kit.ts";

async function copied(
  place: Parameters<typeof optionsOf>[0] & { readonly stack: AsyncDisposableStack },
  agent: AgentOptions,
) {
  const texts = new MemoryBlobRepository("texts");
  const copies = new MemoryBlobRepository("copies");
  for (const key of ["emma", "moby-dick"]) await texts.put(key, `the text of ${key}`);
  const task = containerTask("copy", {
    done: new MemoryMetadataRepository("done"),
    quota: { cpu: 0 },
    links: { texts: input(texts), copies: output(copies) },
    executor: kubernetesExecutor(optionsOf(place)),
    image: denoImage,
    script: ({ texts, copies }) => sh`[ ${texts} = /datatask/in/texts ] && cat ${texts} >${copies}`,
  });
  const pipeline = new Pipeline({ tasks: [task], state: freshState(place.stack), agent, random: () => 1 });
  const { events, summary } = await runAll(pipeline);
  const outcomes = events.flatMap((event) => event.type === "finished" ? [event.outcome] : []);
  return { outcomes, copies, summary, told: troubles(events) };
}

clusterTest("a pod reads its inputs from the agent and brings its outputs there", async (place) => {
  const { outcomes, copies } = await copied(place, { hostname: hostAddress });
  assert.deepEqual(outcomes.map(({ reason, error }) => [reason, error?.message]), [
    ["succeeded", undefined],
    ["succeeded", undefined],
  ]);
  for (const key of ["emma", "moby-dick"]) assert.equal(await copies.text(key), `the text of ${key}`);
  const pods = (await things(place)).filter((thing) => thing.startsWith("pods/"));
  assert.deepEqual(pods, [], "pods are removed when their ends are recorded");
});

clusterTest("a pod that reads nothing and writes nothing needs no agent", async (place) => {
  const done = new MemoryMetadataRepository("done");
  const task = containerTask("hello", {
    done,
    quota: { cpu: 0 },
    links: { texts: input(await blobs("texts", "emma"), { as: "key" }) },
    executor: kubernetesExecutor(optionsOf(place)),
    image,
    script: ({ texts }) => sh`[ ${texts} = emma ] && [ "$DATATASK_JOB" = emma ] && ! command -v datatask`,
  });
  const { summary, events } = await runAll(new Pipeline({ tasks: [task], state: freshState(place.stack) }));
  assert.equal(summary.succeeded, 1, JSON.stringify(events));
});

/** How much a pod writes, in bytes: more than a node keeps of a log, where each line of 17 bytes takes 57. */
const BIG = Number(Deno.env.get("DATATASK_BIG") ?? 40_000_000);

clusterTest("a pod publishes more than its node keeps of a log", async (place) => {
  const said = new MemoryBlobRepository("said");
  const task = containerTask("say", {
    done: new MemoryMetadataRepository("done"),
    quota: { cpu: 0 },
    links: { texts: input(await blobs("texts", "emma"), { as: "key" }) },
    stdout: said,
    executor: kubernetesExecutor(optionsOf(place)),
    image: denoImage,
    script: `yes "$(printf 'line\\r')" | head -c ${BIG}`,
  });
  const agent = { hostname: hostAddress };
  const pipeline = new Pipeline({ tasks: [task], state: freshState(place.stack), agent });
  const { summary, events } = await runAll(pipeline);
  assert.equal(summary.succeeded, 1, JSON.stringify(events));
  const bytes = await said.bytes("emma");
  assert.equal(bytes.length, BIG);
  assert.equal(new TextDecoder().decode(bytes.subarray(0, 12)), "line\r\nline\r\n");
});

clusterTest("a pod that cannot reach the agent is told of, with what to do", async (place) => {
  const { outcomes, summary, told } = await copied(place, {});
  assert.deepEqual([outcomes, summary.stuck, told.length], [[], 2, 12]);
  for (const text of told) {
    assert.match(
      text,
      /not counted as an attempt, .*: .*the agent listens on 127\.0\.0\.1 only, where no pod reaches it; .*agentAddress/,
    );
  }
});

clusterTest(
  "an agent that pods do not find is told of, with its address, and uses up no attempt",
  async (place) => {
    // Nobody listens at this port of this machine.
    const url = `http://${hostAddress}:${freePort()}`;
    const task = containerTask("copy", {
      done: new MemoryMetadataRepository("done"),
      quota: { cpu: 0 },
      links: { texts: input(await blobs("texts", "emma")) },
      executor: kubernetesExecutor(optionsOf(place)),
      image: denoImage,
      retry: { attempts: 2, delay: 1 },
      patience: "16s",
      script: ({ texts }) => sh`cat ${texts}`,
    });
    const agent = { hostname: hostAddress, url };
    const run = new Pipeline({ tasks: [task], state: freshState(place.stack), agent }).run();
    const waits: string[] = [], troubles: string[] = [], others: PipelineEvent[] = [];
    for await (const event of run) {
      if (event.type === "waiting" && event.why) waits.push(event.why);
      else if (event.type === "trouble") {
        troubles.push(event.message);
        run.stop("stop");
      } else if (event.type === "finished" || event.type === "retrying") others.push(event);
    }
    assert.deepEqual(others, []);
    assert(
      waits.some((why) => why.startsWith(`its worker has not found the agent at ${url} yet; see that`)),
      `${waits}`,
    );
    assert.match(
      troubles[0]!,
      new RegExp(
        `not counted as an attempt, .*: cannot bring input texts: the agent does not answer at ${url}: .*, for \\d+ seconds; see that this address leads to it from here$`,
      ),
    );
  },
);

clusterTest(
  "of a log that is longer than its node keeps the end is kept, and what is missing is said",
  async (place) => {
    // A node looks at the length of logs every ten seconds, and begins another file when one is too long.
    const script = (code: number) =>
      `yes 0123456789abcdef | head -c ${BIG}; sleep 25; echo the end; exit ${code}`;
    const tasks = await Promise.all([0, 3].map(async (code) =>
      containerTask(`say-${code}`, {
        done: new MemoryMetadataRepository("done"),
        quota: { cpu: 0 },
        links: { texts: input(await blobs("texts", "emma"), { as: "key" }) },
        executor: kubernetesExecutor({ ...optionsOf(place), name: `cluster-${code}`, label: `c${code}` }),
        image,
        script: script(code),
      })
    ));
    const pipeline = new Pipeline({ tasks, state: freshState(place.stack) });
    const { events } = await runAll(pipeline);
    const outcomes = events.flatMap((event) => event.type === "finished" ? [event] : []);
    assert.deepEqual(
      outcomes.map(({ attempt, outcome }) => [attempt.task, outcome.attempt, outcome.error?.message]).sort(),
      [["say-0", 1, undefined], ["say-3", 1, "the end"]],
      JSON.stringify(events),
    );
    for (const { name } of tasks) {
      const log = await new Response(await pipeline.logs(name, "emma")).text();
      assert(log.length < BIG, `${log.length}`);
      assert.match(
        log.slice(-500),
        /the end\n\ndatatask: Cannot read the log of say-\d\/emma on cluster-\d: its beginning is gone: .*containerLogMaxSize.*\n$/,
      );
    }
  },
);

clusterTest(
  "a log is followed to its end by who runs the pipeline and by others, and disturbs nobody",
  async (place) => {
    const [pipeline, other] = await asTwoProcesses(
      place,
      "say",
      "for i in 1 2 3 4; do echo $i; sleep 1; done",
    );
    await using _pipeline = pipeline, _other = other;
    const run = pipeline.run();
    for await (const { type } of run) if (type === "located" || type === "started") break;
    const follow = async (who: Pipeline, first = (): void => {}): Promise<string> => {
      let text = "";
      while (text === "") {
        for await (const chunk of await who.logs("say", "emma", { follow: true }) ?? []) {
          text += new TextDecoder().decode(chunk);
          first();
        }
      }
      return text;
    };
    const begun = Promise.withResolvers<void>();
    const own = follow(pipeline, begun.resolve);
    await begun.promise;
    const [others] = await Promise.all([follow(other), pipeline.status(), other.status()]);
    assert.deepEqual([await own, others], ["1\n2\n3\n4\n", "1\n2\n3\n4\n"]);
    const { succeeded, started } = await run.finished;
    assert.deepEqual([succeeded, started], [1, 1]);
  },
);
