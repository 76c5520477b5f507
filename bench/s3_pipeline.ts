/**
 * A pipeline over a bucket, beside the ceiling of its server: as many requests of the same kinds by the bare SDK, as many at a time.
 *
 * `eval "$(.ci/services/s3.sh)"; deno run -A bench/s3_pipeline.ts [jobs] [width]`
 *
 * @module
 */
import {
  CreateBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "../deps/aws_s3.ts";
import { functionTask, input, JsonMetadataRepository, output, Pipeline } from "../mod.ts";
import { makeClient } from "../repositories/s3/client.ts";
import { S3BucketRepository } from "../repositories/s3/mod.ts";
import { bareClient, serverOfTests } from "./bare_s3.ts";
import { figure } from "./figure.ts";

const [jobs = 20_000, width = 64] = Deno.args.map(Number);
const bucket = `datatask-bench-${crypto.randomUUID().slice(0, 8)}`;
const s3 = bareClient();
const ours = makeClient(serverOfTests());
const at = (prefix: string): S3BucketRepository => new S3BucketRepository(ours, { bucket, prefix });
const names = Array.from({ length: jobs }, (_, i) => `job-${String(i).padStart(6, "0")}`);
const body = new Uint8Array(1000).fill(7);
const outcome = new TextEncoder().encode(JSON.stringify({ success: true, start: new Date(), attempt: 1 }));

async function wide(call: (name: string) => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  let next = 0;
  await Promise.all(Array.from({ length: width }, async () => {
    while (next < names.length) await call(names[next++]!);
  }));
  return performance.now() - begun;
}

const put = (Key: string, Body: Uint8Array) => s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body }));

/** What each job asks of the server, and nothing else. */
async function bare(name: string): Promise<void> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: `in/${name}` }));
  await Body!.transformToByteArray();
  await put(`bare-out/${name}`, body);
  await put(`bare-done/${name}`, outcome);
}

function pipeline(): Pipeline {
  const count = functionTask("count", {
    done: new JsonMetadataRepository(at("done/")),
    links: { source: input(at("in/")), target: output(at("out/")) },
    concurrency: width,
  }, async ({ source, target }) => {
    await target.write(await source.bytes());
  });
  return new Pipeline({ tasks: [count], state: null });
}

async function clear(): Promise<void> {
  for (;;) {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
    if (Contents.length === 0) return;
    const Objects = Contents.map(({ Key }) => ({ Key: Key! }));
    await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Quiet: true, Objects } }));
  }
}

try {
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  await wide((name) => put(`in/${name}`, body));
  const ceiling = await wide(bare);
  const begun = performance.now();
  const { succeeded } = await pipeline().run().finished;
  const took = performance.now() - begun;
  if (succeeded !== jobs) throw new Error(`${succeeded} of ${jobs} jobs succeeded`);
  const again = performance.now();
  await pipeline().run().finished;
  const idle = performance.now() - again;
  const rate = (ms: number): string => `${Math.round(jobs / ms * 1000)} jobs/s`;
  console.log(
    `the server's ceiling, ${width} at a time  ${rate(ceiling)} (${(ceiling / 1000).toFixed(1)} s)`,
  );
  console.log(`the pipeline, ${width} at a time          ${rate(took)} (${(took / 1000).toFixed(1)} s)`);
  console.log(`ratio                              ${(ceiling / took).toFixed(2)}`);
  console.log(`opened again, nothing to do        ${(idle / 1000).toFixed(1)} s`);
  figure(
    `S3: a pipeline of ${jobs.toLocaleString("en")} jobs, ${width} at a time, to the server's ceiling`,
    ceiling / took,
    "x",
    { atLeast: 0.9 },
  );
} finally {
  await clear();
  s3.destroy();
  ours.destroy();
}
